// What an operator does by hand: a resync from either end, in full or not, and the repair of a replica whose copy is no
// longer what it accepted.
import assert from "node:assert/strict";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import {
  expectConverged,
  ingest,
  jsonLines,
  linkBecomes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  startWithEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet, REPLICA_NAME } from "../support/start-fleet.js";

describe("resync", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet({ volume: "256M", primary: { ...QUIET, push: { hello_seconds: 1 } } });
    await startWithEvents(fleet);
  });
  after(() => fleet?.stop());

  test("a dry run says what would be sent, how much and why, and sends nothing", async () => {
    const { ledger } = await primaryStatus(fleet);
    const full = await mustRun(fleet.primary, "resync", REPLICA_NAME, "--full", "--dry-run");
    assert.match(full, new RegExp(`would send all of generation ${ledger.generation}, \\d+ bytes: a full resync`));
    assert.match(await mustRun(fleet.primary, "resync", REPLICA_NAME, "--dry-run"), /nothing: the replica stands at/);
    const [plan] = jsonLines<{ bytes: number; dry_run: boolean }>(
      await mustRun(fleet.primary, "resync", REPLICA_NAME, "--full", "--dry-run", "--json"),
    );
    assert.ok(plan?.dry_run && plan.bytes > 1000);
    assert.equal((await primaryStatus(fleet)).ledger.generation, ledger.generation);
  });

  test("in full, of a replica that is well and idle: all is sent, in a new generation", async () => {
    const { ledger } = await primaryStatus(fleet);
    await mustRun(fleet.primary, "resync", REPLICA_NAME, "--full");
    const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === ledger.generation + 1);
    assert.equal(last_push?.kind, "full");
    await expectConverged(fleet);
  });

  test("in full, asked for on the replica: the same, at the next hello", async () => {
    const { ledger } = await primaryStatus(fleet);
    await mustRun(fleet.replica, "resync", "--full");
    const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === ledger.generation + 1);
    assert.equal(last_push?.kind, "full");
    await expectConverged(fleet);
    await ingest(fleet, someEvents(5));
    const next = await seal(fleet);
    assert.equal((await linkBecomes(fleet, ({ generation }) => generation === next)).last_push?.kind, "increment");
  });

  test("a replica whose copy was altered says so, takes no increment on it, and is mended by a full resync", async () => {
    await expectConverged(fleet);
    await fleet.replica.daemon.stop();
    const { place, size } = await alterReplica(fleet);
    await fleet.replica.daemon.start();
    const link = await linkBecomes(fleet, ({ code }) => code === "not-verified");
    assert.equal(link.health, "diverged");
    assert.match(link.reason, /what this replica holds is not what it accepted: tampered/);
    assert.match(link.hint ?? "", /resync --full/);
    assert.match(await mustRun(fleet.replica, "status"), /damaged: tamp/);
    assert.match((await fleet.replica.run("verify")).stdout, new RegExp(`^tampered: .*\\n.*${place}`));
    await mustRun(fleet.replica, "resync", "--full");
    await wakeLink(fleet);
    await linkBecomes(fleet, ({ last_push, health }) => health === "healthy" && last_push?.kind === "full");
    await expectConverged(fleet);
    assert.ok((await primaryStatus(fleet)).ledger.sealed > size);
  });
});

/** Changes one byte of the current generation on the replica's disk, and drops what would vouch for it. */
async function alterReplica(fleet: Fleet): Promise<{ place: string; size: number }> {
  const replica = await storeOf(fleet, "replica");
  const { generation, sealed } = (await primaryStatus(fleet)).ledger;
  const tree = replica.generation(generation);
  await execa("btrfs", ["property", "set", "-f", tree.timing, "ro", "false"]);
  const [name = ""] = await readdir(tree.entries);
  const path = join(tree.entries, name);
  const file = await open(path, "r+");
  const { size } = await stat(path);
  const at = Math.floor(size / 2);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 1;
  await file.write(byte, 0, 1, at);
  await file.close();
  await execa("btrfs", ["property", "set", tree.timing, "ro", "true"]);
  // The heads vouch for the tree files; without them the start walks all of it.
  await execa("rm", ["-r", replica.index]);
  return { place: `timing/entries/${name}`, size: sealed };
}
