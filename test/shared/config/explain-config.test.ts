import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify } from "yaml";
import { z } from "zod";
import { loadPrimaryConfig, primaryConfigSchema } from "../../../primary/config.js";
import { loadReplicaConfig, replicaConfigSchema } from "../../../replica/config.js";
import { type ExplainedOption, explainConfig } from "../../../shared/config/explain-config.js";
import { withConfigFile } from "../../support/with-config-file.js";

const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;

async function explain(yaml: string): Promise<Map<string, ExplainedOption>> {
  return withConfigFile(yaml, async (path) => {
    const { config, layers } = await loadPrimaryConfig({ config: path, root: "/srv/x" });
    const options = explainConfig(primaryConfigSchema, config, layers);
    return new Map(options.map((option) => [option.name, { ...option, origin: option.origin.replace(path, "PATH") }]));
  });
}

test("each option is told with its value and its place, down to the members of lists", async () => {
  const options = await explain(`
seal: { strategy: batch, batch: { max_delay: 1.5min } }
admit: { max_payload_bytes: 2MiB, priorities: { deleted: high } }
keep: hourly 24
replicas: [{ name: a, host: b, host_key: "${HOST_KEY}" }]
`);
  const shown = (name: string) => {
    const { value, written, origin } = options.get(name) ?? {};
    return [value, written, origin];
  };
  assert.deepEqual(shown("root"), ["/srv/x", undefined, "command line"]);
  assert.deepEqual(shown("run_dir"), ["/srv/x/run", undefined, "default"]);
  assert.deepEqual(shown("seal.strategy"), ["batch", undefined, "file PATH"]);
  assert.deepEqual(shown("seal.batch.max_delay"), [90_000, "1.5min", "file PATH"]);
  assert.deepEqual(shown("seal.batch.max_events"), [1000, undefined, "default"]);
  assert.deepEqual(shown("admit.max_payload_bytes"), [2 ** 21, "2MiB", "file PATH"]);
  assert.deepEqual(shown("admit.priorities.deleted"), ["high", undefined, "file PATH"]);
  assert.deepEqual(shown("admit.redact_keys"), [[], undefined, "default"]);
  assert.deepEqual(shown("sources.files.max_hash_bytes"), [64 * 2 ** 20, "64MiB", "default"]);
  assert.deepEqual(shown("keep.hourly"), [24, undefined, "file PATH"]);
  assert.deepEqual(shown("replicas[0].host"), ["b", undefined, "file PATH"]);
  assert.deepEqual(shown("replicas[0].port"), [22, undefined, "default"]);
});

test("what is shown, written into a file, makes the same configuration", async () => {
  const yaml =
    "seal: { strategy: interval, interval: 1d, batch: { max_delay: 2min } }\nadmit: { max_payload_bytes: 2k }";
  const again = Object.fromEntries(
    [...(await explain(yaml)).values()].map(({ name, value, written }) => [name, written ?? value]),
  );
  const first = await withConfigFile(yaml, (path) => loadPrimaryConfig({ config: path, root: "/srv/x" }));
  const second = await withConfigFile(stringify(nested(again)), (path) => loadPrimaryConfig({ config: path }));
  assert.deepEqual(second.config, first.config);
});

test("only options are told: a group in which nothing is set is none, a record that is empty is", async () => {
  const schema = z.strictObject({
    group: z.strictObject({ inner: z.string().optional().describe("What it does.") }).prefault({}),
    names: z.record(z.string(), z.string()).default({}).describe("What it does."),
  });
  const told = (config: unknown) => explainConfig(schema, config, []).map(({ name }) => name);
  assert.deepEqual(told({ group: {}, names: {} }), ["names"]);
  assert.deepEqual(told({ group: { inner: "a" }, names: { b: "c" } }), ["group.inner", "names.b"]);
});

test("without a file, all of a replica's options are at their defaults", async () => {
  const { config, layers } = await loadReplicaConfig({ config: "/dev/null" });
  for (const { name, origin } of explainConfig(replicaConfigSchema, config, layers)) {
    assert.equal(origin, "default", name);
  }
});

function nested(dotted: Record<string, unknown>): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(dotted)) {
    const keys = name.split(".");
    const last = keys.pop() as string;
    let group = all;
    for (const key of keys) {
      group[key] ??= {};
      group = group[key] as Record<string, unknown>;
    }
    group[last] = value;
  }
  return all;
}
