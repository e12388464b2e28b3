// The primary's own options, as an operator's file has them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { laterLevels, levelsOf, loadPrimaryConfig } from "../../primary/config.js";
import { makeStrategy } from "../../primary/seal/options.js";
import type { SealStrategy } from "../../primary/seal/seal-strategy.js";
import { withConfigFile } from "../support/with-config-file.js";

async function load(yaml: string) {
  return withConfigFile(yaml, async (path) => (await loadPrimaryConfig({ config: path }, {})).config);
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

describe("vectorize.later", () => {
  test("names a further level for some priorities", async () => {
    const { vectorize } = await load("vectorize: { level: none, later: { critical: heuristic, high: medium } }");
    assert.deepEqual(laterLevels(vectorize), { critical: "heuristic", high: "medium" });
    assert.deepEqual(laterLevels((await load("")).vectorize), {});
  });

  const refused: [yaml: string, message: RegExp][] = [
    ["later: { critical: heuristic }", /later\.critical: "heuristic": is the level that critical events get at once/],
    ["levels: { high: medium }, later: { high: medium }", /later\.high: "medium": is the level that high events get/],
    ["later: { low: none }", /later\.low: "none": must be a level with vectors: leave the priority out/],
    ["later: { low: best }", /later\.low: "best": must be/],
  ];
  for (const [yaml, message] of refused) {
    test(`is refused with words that help: ${yaml}`, async () => {
      await assert.rejects(load(`vectorize: { ${yaml} }`), message);
    });
  }
});

describe("seal", () => {
  const strategies: [yaml: string, strategy: SealStrategy][] = [
    ["", { kind: "priority", delaysMs: { critical: 0, high: 800, medium: 5000, low: 30_000 } }],
    ["critical_ms: 50", { kind: "priority", delaysMs: { critical: 50, high: 800, medium: 5000, low: 30_000 } }],
    ["strategy: realtime", { kind: "realtime" }],
    ["strategy: batch", { kind: "batch", maxEvents: 1000, maxDelayMs: 30_000 }],
    [
      "strategy: batch, batch: { max_events: 5, max_delay: 2min }",
      { kind: "batch", maxEvents: 5, maxDelayMs: 120_000 },
    ],
    ["strategy: interval", { kind: "interval", interval: "15min" }],
    ["strategy: interval, interval: 1w", { kind: "interval", interval: "1w" }],
  ];
  for (const [yaml, strategy] of strategies) {
    test(`{ ${yaml} } makes the strategy that it says`, async () => {
      assert.deepEqual(makeStrategy((await load(`seal: { ${yaml} }`)).seal), strategy);
    });
  }

  test("strategies and intervals that there are not are refused with those that there are", async () => {
    const strategies = /seal\.strategy: "hourly": must be one of realtime, batch, priority, interval/;
    await assert.rejects(load("seal: { strategy: hourly }"), strategies);
    const intervals = /seal\.interval: "2h": must be one of per-op, 1min, 5min, 15min, 30min, 1h, 1d, 1w/;
    await assert.rejects(load("seal: { interval: 2h }"), intervals);
  });
});

describe("vectorize.levels", () => {
  test("change the level of the priorities they name, and of no other", async () => {
    const { vectorize } = await load("vectorize: { levels: { low: none } }");
    assert.deepEqual(levelsOf(vectorize), {
      critical: "heuristic",
      high: "heuristic",
      medium: "heuristic",
      low: "none",
    });
    const upside = await load("vectorize: { level: none, levels: { critical: heuristic } }");
    assert.deepEqual(levelsOf(upside.vectorize), { critical: "heuristic", high: "none", medium: "none", low: "none" });
  });

  test("are refused where there is no such level or priority, by name", async () => {
    await assert.rejects(
      load("vectorize: { levels: { low: fine } }"),
      /levels\.low: "fine": must be one of none, heuristic, low, medium, high/,
    );
    await assert.rejects(load("vectorize: { levels: { lowest: none } }"), /levels\.lowest: there is no such option/);
  });
});
