import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../support/run-cli.js";

for (const role of ["primary", "replica"] as const) {
  test(`every command of isochron-${role} has help with an example`, async () => {
    const help = await runCli(role, ["--help"]);
    assert.equal(help.exitCode, 0);
    const bin = `isochron-${role}`;
    const names = [...help.stdout.matchAll(new RegExp(`^  ${bin} ([a-z]+)`, "gm"))].map((match) => match[1] as string);
    const commands = [...new Set(names)].filter((name) => name !== "completion");
    assert.ok(commands.length >= 3, help.stdout);
    for (const command of commands) {
      const { stdout, exitCode } = await runCli(role, [command, "--help"]);
      assert.equal(exitCode, 0, command);
      assert.match(stdout, /^Examples:/m, command);
    }
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

  test(`isochron-${role} config check prints what is in force`, async () => {
    const { stdout } = await runCli(role, ["config", "check", "--root", "/srv/x", "--json"]);
    assert.equal((JSON.parse(stdout) as { config: { root: string } }).config.root, "/srv/x");
    assert.match((await runCli(role, ["config", "options"])).stdout, /\| `root` \|/);
  });
}
