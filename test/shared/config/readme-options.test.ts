// The tables of options in the root README are what `config options` prints.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runCli } from "../../support/run-cli.js";

const README = new URL("../../../../README.md", import.meta.url);

for (const role of ["primary", "replica"] as const) {
  test(`the README has the table that isochron-${role} config options prints`, async () => {
    const { stdout } = await runCli(role, ["config", "options"]);
    const [, after = ""] = (await readFile(README, "utf8")).split(`\n\`isochron-${role} config options\`:\n\n`);
    const table = after.slice(0, after.indexOf("\n\n"));
    assert.deepEqual(table.split("\n"), stdout.trimEnd().split("\n"));
  });
}
