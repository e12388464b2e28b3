// The primary's environment variables, as the whole configuration takes them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadPrimaryConfig, type PrimaryConfig } from "../../primary/config.js";
import { loadReplicaConfig, type ReplicaConfig } from "../../replica/config.js";
import type { ConfigError } from "../../shared/config/config-error.js";
import type { LoadedConfig } from "../../shared/config/load-config.js";
import { withConfigFile } from "../support/with-config-file.js";

async function load(env: NodeJS.ProcessEnv, yaml = ""): Promise<PrimaryConfig> {
  return withConfigFile(yaml, async (path) => (await loadPrimaryConfig({ config: path }, env)).config);
}

describe("OPDBUS_SNAPSHOT_INTERVAL", () => {
  const read: [text: string, strategy: string, interval: string][] = [
    ["per-op", "realtime", "per-op"],
    ["every-minute", "interval", "1min"],
    ["every-5-minutes", "interval", "5min"],
    ["every-15-minutes", "interval", "15min"],
    ["every-30-minutes", "interval", "30min"],
    ["every-hour", "interval", "1h"],
    ["hourly", "interval", "1h"],
    ["daily", "interval", "1d"],
    ["weekly", "interval", "1w"],
    ["1min", "interval", "1min"],
    ["5min", "interval", "5min"],
    ["15min", "interval", "15min"],
    ["30min", "interval", "30min"],
    ["1h", "interval", "1h"],
    ["1d", "interval", "1d"],
    ["1w", "interval", "1w"],
    [" Hourly ", "interval", "1h"],
  ];
  for (const [text, strategy, interval] of read) {
    test(`${JSON.stringify(text)} is the strategy ${strategy} with ${interval}`, async () => {
      const { seal } = await load({ OPDBUS_SNAPSHOT_INTERVAL: text });
      assert.deepEqual([seal.strategy, seal.interval], [strategy, interval]);
    });
  }

  test("leaves the strategy to the file that names one", async () => {
    const { seal } = await load({ OPDBUS_SNAPSHOT_INTERVAL: "daily" }, "seal: { strategy: batch }");
    assert.equal(seal.strategy, "batch");
  });

  for (const text of ["fortnightly", "2h", "constructor", "every--minute"]) {
    test(`${text} is refused with the forms that there are`, async () => {
      await assert.rejects(load({ OPDBUS_SNAPSHOT_INTERVAL: text }), (error: ConfigError) => {
        assert.ok(error.message.startsWith(`OPDBUS_SNAPSHOT_INTERVAL=${text}: must be one of per-op, 1min, `));
        assert.match(error.hint ?? "", /seal\.strategy and seal\.interval in the configuration file/);
        return true;
      });
    });
  }
});

describe("OP_DBUS_VECTOR_LEVEL", () => {
  test("sets vectorize.level, in capitals or not", async () => {
    assert.equal((await load({ OP_DBUS_VECTOR_LEVEL: "NONE" })).vectorize.level, "none");
    for (const level of ["heuristic", "low", "medium", "high"]) {
      assert.equal((await load({ OP_DBUS_VECTOR_LEVEL: level })).vectorize.level, level);
    }
  });

  test("is judged by the option's own rule, and named with its value", async () => {
    await assert.rejects(load({ OP_DBUS_VECTOR_LEVEL: "best" }), (error: ConfigError) => {
      assert.match(error.message, /^OP_DBUS_VECTOR_LEVEL=best: vectorize\.level: "best": must be /);
      return error.hint?.includes("OP_DBUS_VECTOR_LEVEL") === true;
    });
  });

  test("does not count where the file has a level", async () => {
    const { vectorize } = await load({ OP_DBUS_VECTOR_LEVEL: "best" }, "vectorize: { level: none }");
    assert.equal(vectorize.level, "none");
  });
});

describe("OPDBUS_MAX_CACHE_SNAPSHOTS", () => {
  const NAME = "OPDBUS_MAX_CACHE_SNAPSHOTS";
  for (const role of ["primary", "replica"] as const) {
    const read = (text: string, yaml = "") =>
      withConfigFile<LoadedConfig<PrimaryConfig | ReplicaConfig>>(yaml, (config) => {
        const env = { [NAME]: text };
        return role === "primary" ? loadPrimaryConfig({ config }, env) : loadReplicaConfig({ config }, env);
      });

    test(`is keep.last of a ${role}`, async () => {
      assert.deepEqual((await read("24")).config.keep, { last: 24, hourly: 0, daily: 0, weekly: 0 });
    });

    test(`leaves the rest of keep to a ${role}'s file, and does not count where that is the short form`, async () => {
      const merged = await read("24", "keep: { daily: 7 }");
      assert.deepEqual(merged.config.keep, { last: 24, hourly: 0, daily: 7, weekly: 0 });
      const short = await read("24", "keep: daily 7");
      assert.deepEqual(short.config.keep, { last: 1, hourly: 0, daily: 7, weekly: 0 });
      assert.deepEqual(
        short.overridden.map(({ name, option }) => [name, option]),
        [[NAME, "keep.last"]],
      );
    });

    test(`is refused by a ${role} with its name, its value and the way out`, async () => {
      const bad: [text: string, message: RegExp][] = [
        ["many", /^OPDBUS_MAX_CACHE_SNAPSHOTS=many: must be a whole number of generations/],
        ["-1", /^OPDBUS_MAX_CACHE_SNAPSHOTS=-1: must be a whole number/],
        ["0", /^OPDBUS_MAX_CACHE_SNAPSHOTS=0: keep\.last: 0: must be a whole number from 1/],
      ];
      for (const [text, message] of bad) {
        await assert.rejects(read(text), (error: ConfigError) => {
          assert.match(error.message, message);
          return error.hint?.includes(`${NAME}; keep.last in the configuration file`) === true;
        });
      }
    });
  }
});

test("a replica takes no notice of the variables that are a primary's", async () => {
  const env = { OP_DBUS_VECTOR_LEVEL: "best", OPDBUS_SNAPSHOT_INTERVAL: "fortnightly" };
  const { layers, overridden } = await loadReplicaConfig({ config: "/dev/null" }, env);
  assert.deepEqual(overridden, []);
  assert.ok(layers.every(({ origin }) => !origin.startsWith("environment")));
});
