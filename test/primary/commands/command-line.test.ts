import assert from "node:assert/strict";
import { test } from "node:test";
import { runPrimaryCommands } from "../../../primary/commands/run-primary-commands.js";
import { runReplicaCommands } from "../../../replica/commands/run-replica-commands.js";
import { commandParser } from "../../../shared/cli/run-commands.js";
import { runCli } from "../../support/run-cli.js";
import { withConfigFile } from "../../support/with-config-file.js";

const RUN = { primary: runPrimaryCommands, replica: runReplicaCommands } as const;

for (const role of ["primary", "replica"] as const) {
  test(`every command of isochron-${role} has help with an example`, async () => {
    const help = await runCli(role, ["--help"]);
    assert.equal(help.exitCode, 0);
    const bin = `isochron-${role}`;
    const names = [...help.stdout.matchAll(new RegExp(`^  ${bin} ([a-z-]+)`, "gm"))].map((match) => match[1] as string);
    const commands = [...new Set(names)].filter((name) => name !== "completion");
    assert.ok(commands.length >= 3, help.stdout);
    for (const command of commands) {
      const text = await helpOf(role, command);
      assert.match(text, /^Examples:/m, command);
      assert.match(text, new RegExp(`^${bin} ${command}\\b`), command);
    }
    const one = await runCli(role, ["key", "--help"]);
    assert.deepEqual([one.exitCode, one.stdout], [0, await helpOf(role, "key")]);
  });

  test(`isochron-${role} refuses what it does not know, and names the help`, async () => {
    for (const args of [[], ["frobnicate"], ["key", "--frobnicate"]]) {
      const { stderr, stdout, exitCode } = await runCli(role, args);
      assert.equal(exitCode, 1, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, /^error: .*\nhint: .*--help/);
    }
  });

  test(`isochron-${role} prints a completion script and its version`, async () => {
    assert.match((await runCli(role, ["completion"])).stdout, new RegExp(`complete .* isochron-${role}`));
    assert.match((await runCli(role, ["--version"])).stdout, /^\d+\.\d+\.\d+$/);
  });

  test(`isochron-${role} config check prints what is in force, and where each value comes from`, async () => {
    const { stdout } = await runCli(role, ["config", "check", "--root", "/srv/x", "--json"]);
    const { options } = JSON.parse(stdout) as { options: Record<string, unknown> };
    assert.deepEqual(options.root, { value: "/srv/x", origin: "command line" });
    assert.deepEqual(options.log_level, { value: "info", origin: "default" });
    const lines = (await runCli(role, ["config", "check", "--root", "/srv/x"])).stdout.split("\n");
    assert.ok(lines.some((line) => /^root +command line +\/srv\/x$/.test(line)));
    assert.ok(lines.some((line) => /^log_level +default +info$/.test(line)));
    assert.match((await runCli(role, ["config", "options"])).stdout, /\| `root` \|/);
  });
}

test("isochron-primary config check tells what comes from the environment, and what the file wins over", async () => {
  await withConfigFile("vectorize: { level: none }\n", async (path) => {
    const env = { OP_DBUS_VECTOR_LEVEL: "heuristic", OPDBUS_SNAPSHOT_INTERVAL: "every-15-minutes" };
    const { stdout } = await runCli("primary", ["config", "check", "--config", path], { env });
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines[0], `# ${path}`);
    assert.ok(
      lines.some((line) => /^seal\.interval +environment OPDBUS_SNAPSHOT_INTERVAL +15min$/.test(line)),
      stdout,
    );
    assert.ok(
      lines.some((line) => /^vectorize\.level +file \/.* +none$/.test(line)),
      stdout,
    );
    const last = `environment OP_DBUS_VECTOR_LEVEL=heuristic is overridden for vectorize.level by file ${path}`;
    assert.equal(lines.at(-1), last);
  });
});

test("a bad environment variable ends a command with its name, its value and the way out", async () => {
  const { stderr, exitCode } = await runCli("primary", ["config", "check"], { env: { OP_DBUS_VECTOR_LEVEL: "best" } });
  assert.equal(exitCode, 1);
  assert.match(stderr, /^error: OP_DBUS_VECTOR_LEVEL=best: .*must be .*\nhint: .*OP_DBUS_VECTOR_LEVEL/);
});

test("a command loads nothing that embeds, stores or runs programs until it needs it", async () => {
  for (const role of ["primary", "replica"] as const) {
    const { stderr } = await runCli(role, ["--version"], { env: { NODE_DEBUG: "esm" } });
    assert.match(stderr, /node_modules\/yargs\//);
    assert.doesNotMatch(stderr, /node_modules\/(execa|better-sqlite3|hnswlib-node|fastify|ssh2)\//);
  }
});

/** What `COMMAND --help` prints. */
async function helpOf(role: keyof typeof RUN, command: string): Promise<string> {
  let text = "";
  await RUN[role]([], async (line) => {
    await commandParser(line, []).parseAsync([command, "--help"], {}, (_error, _argv, output) => {
      text = output;
    });
  });
  return text;
}
