// The primary's own options, as an operator's file has them.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadPrimaryConfig } from "../../primary/config.js";
import { withFolder } from "../support/with-folder.js";

async function load(yaml: string) {
  return withFolder(async (folder) => {
    const path = join(folder, "primary.yaml");
    await writeFile(path, yaml);
    return (await loadPrimaryConfig({ config: path })).config;
  });
}

describe("admit.priority_rules", () => {
  test("take names as globs and values as YAML writes them", async () => {
    const { admit } = await load(`
admit:
  priority_rules:
    - { element: "interface:wan*", field: link.up, value: false, priority: critical }
    - { source: "dbus:*", action: "*_failed", priority: high }
`);
    assert.deepEqual(admit.priority_rules, [
      { element: "interface:wan*", field: "link.up", value: false, priority: "critical" },
      { source: "dbus:*", action: "*_failed", priority: "high" },
    ]);
  });

  const refused: [rule: string, message: RegExp][] = [
    ["{ priority: high }", /priority_rules\[0\]: .*would be for every event: give it an action, type, element, source/],
    ["{ value: x, priority: high }", /has a value and no field: name the path/],
    ["{ action: a, value: x, priority: high }", /has a value and no field/],
    ['{ action: "", priority: high }', /priority_rules\[0\]\.action: "": must not be empty/],
    ["{ action: a }", /priority_rules\[0\]\.priority: missing: must be one of critical, high, medium, low/],
    ["{ acton: a, priority: high }", /priority_rules\[0\]\.acton: there is no such option/],
    ["{ field: a, value: [1], priority: high }", /must be a string, a number, true or false/],
  ];
  for (const [rule, message] of refused) {
    test(`are refused with words that help: ${rule}`, async () => {
      await assert.rejects(load(`admit: { priority_rules: [${rule}] }`), message);
    });
  }
});

test("diffs of files that could not fit into an event are refused, where files are watched", async () => {
  const admit = "admit: { max_payload_bytes: 64KiB }\n";
  const refused = /files\.max_diff_bytes: 65536: must be at most 32768, half of admit\.max_payload_bytes/;
  await assert.rejects(load(`${admit}sources: { files: { watch: [/etc/**] } }`), refused);
  await load(`${admit}sources: { files: { watch: [/etc/**], max_diff_bytes: 32KiB } }`);
  await load(admit);
});
