import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { program, ROOT, requirePart } from "../../support/require-part.js";
import { replicaAnswers, withFleet } from "../../support/start-fleet.js";

test("status shows what the replica holds, whether or not its queries are answered", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  if (!(await requirePart(t, program("sshd", "openssh-server")))) return;
  await withFleet({}, async (fleet) => {
    assert.equal((await fleet.primary.run("seal", "--force")).exitCode, 0);
    await replicaAnswers(fleet, 1);
    const cells = async () => {
      const { stdout, stderr, exitCode } = await fleet.replica.run("status");
      assert.equal(exitCode, 0, stderr);
      const [titles = "", row = ""] = stdout.split("\n");
      assert.match(titles, /ORIGIN +STORE +GENERATION +ENTRIES +ANSWERED/);
      return row.split(/ {2,}/).map((cell) => cell.trim());
    };
    const before = await cells();
    assert.equal(before[3], before[4]);
    await rm(fleet.replica.socket("query"));
    const without = await cells();
    assert.deepEqual(without.slice(0, 4), before.slice(0, 4));
    assert.equal(without[4], "-");
    const { stdout } = await fleet.replica.run("status", "--json");
    const { held, answers } = JSON.parse(stdout) as { held: unknown[]; answers: unknown };
    assert.deepEqual([held.length, answers], [1, null]);
    assert.match((await fleet.replica.run("timeline")).stderr, /nobody listens on/);
  });
});
