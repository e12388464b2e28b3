import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import type { ConfigError } from "../../../shared/config/config-error.js";
import type { EnvironmentVariable } from "../../../shared/config/environment-options.js";
import { type LoadOptions, loadConfig } from "../../../shared/config/load-config.js";
import { withConfigFile } from "../../support/with-config-file.js";

const schema = z.strictObject({
  level: z.enum(["none", "all"], "must be none or all").default("all"),
  seal: z.strictObject({ strategy: z.string().default("priority"), interval: z.string().default("1h") }).prefault({}),
});

const LEVEL: EnvironmentVariable = { name: "X_LEVEL", options: ["level"], read: (text) => [text] };
const INTERVAL: EnvironmentVariable = {
  name: "X_INTERVAL",
  options: ["seal.strategy", "seal.interval"],
  read(text) {
    if (text === "never") throw new Error("must be 1h or 1d");
    return ["interval", text];
  },
};

type Given = Pick<LoadOptions<unknown>, "overrides"> & { yaml?: string; env?: NodeJS.ProcessEnv };

async function load({ yaml = "", env = {}, overrides = {} }: Given) {
  const load = (path: string) =>
    loadConfig({ schema, path, defaultPath: "/nowhere", overrides, variables: [LEVEL, INTERVAL], env });
  return withConfigFile(yaml, load);
}

describe("environment variables", () => {
  test("set options that nothing stronger gives", async () => {
    const { config, overridden } = await load({ env: { X_LEVEL: "none", X_INTERVAL: "1d" } });
    assert.deepEqual(config, { level: "none", seal: { strategy: "interval", interval: "1d" } });
    assert.deepEqual(overridden, []);
  });

  test("lose against the file, option by option, and it is told which", async () => {
    const yaml = "seal: {interval: 1w}";
    const { config, overridden } = await load({ yaml, env: { X_LEVEL: "none", X_INTERVAL: "1d" } });
    assert.deepEqual(config, { level: "none", seal: { strategy: "interval", interval: "1w" } });
    assert.deepEqual(
      overridden.map(({ name, text, option, by }) => [name, text, option, by.replace(/ .*/, "")]),
      [["X_INTERVAL", "1d", "seal.interval", "file"]],
    );
  });

  test("lose against the command line", async () => {
    const { config, overridden } = await load({ overrides: { level: "all" }, env: { X_LEVEL: "none" } });
    assert.equal(config.level, "all");
    assert.deepEqual(overridden, [{ name: "X_LEVEL", text: "none", option: "level", by: "command line" }]);
  });

  test("that are empty, or not known here, are as if not set", async () => {
    const { config, overridden } = await load({ env: { X_LEVEL: "", X_OTHER: "never" } });
    assert.equal(config.level, "all");
    assert.deepEqual(overridden, []);
  });

  test("are refused by the option's own rule, with name, value, what it may be, and the way out", async () => {
    await assert.rejects(load({ env: { X_LEVEL: "best" } }), (error: ConfigError) => {
      assert.equal(error.message, 'X_LEVEL=best: level: "best": must be none or all');
      assert.match(
        error.hint ?? "",
        /unset the environment variable X_LEVEL; level in the configuration file would win/,
      );
      return error.code === "bad-option";
    });
  });

  test("that cannot be read at all are refused in the same way", async () => {
    await assert.rejects(load({ env: { X_INTERVAL: "never" } }), (error: ConfigError) => {
      assert.equal(error.message, "X_INTERVAL=never: must be 1h or 1d");
      assert.match(error.hint ?? "", /X_INTERVAL; seal\.strategy and seal\.interval in the configuration file/);
      return error.code === "bad-option";
    });
  });

  test("that the file overrides in all that they set are not even read", async () => {
    const yaml = "level: none\nseal: {strategy: batch, interval: 1w}";
    const { overridden } = await load({ yaml, env: { X_LEVEL: "best", X_INTERVAL: "never" } });
    assert.deepEqual(
      overridden.map(({ option }) => option),
      ["level", "seal.strategy", "seal.interval"],
    );
  });

  test("do not take the blame for what is wrong in the file", async () => {
    const yaml = "seal: {interval: 5, foo: 1}";
    await assert.rejects(load({ yaml, env: { X_LEVEL: "best", X_INTERVAL: "1d" } }), (error: ConfigError) => {
      const [variable, file, more, ...rest] = error.message.split("\n");
      assert.match(variable ?? "", /^X_LEVEL=best: level: "best"/);
      assert.match(`${file}\n${more}`, /^\/.*\.yaml: seal\.interval: 5: .*\n {2}seal\.foo: there is no such option$/);
      assert.deepEqual(rest, []);
      return true;
    });
  });
});
