// How many generations stay, on both sides, as operators set it and see it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { LinkStatus } from "../../primary/push/link-status.js";
import type { HeldStatus } from "../../replica/agent/replica-stores.js";
import { requireSuccess, spawnSend } from "../../shared/store/btrfs.js";
import { listGenerations } from "../../shared/store/generations.js";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  storeOf,
} from "../support/drive-fleet.js";
import { type Fleet, type FleetSide, makeFleet, REPLICA_NAME, withFleet } from "../support/start-fleet.js";

describe("history that is kept", () => {
  let fleet: Fleet;
  before(async () => {
    const keep = { primary: { keep: "last 4" }, replica: { keep: "last 3, hourly 1" } };
    fleet = await makeFleet({
      volume: "512M",
      primary: { ...QUIET, ...keep.primary, push: { hello_seconds: 1 } },
      replica: keep.replica,
    });
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    for (let generation = 1; generation <= 5; generation += 1) await sealAndPush(fleet);
  });
  after(() => fleet?.stop());

  test("each side keeps what its own rule says, shows it, and verifies one of them by its number", async () => {
    await generationsAre(fleet, { primary: [2, 3, 4, 5], replica: [3, 4, 5] });
    const onPrimary = (await primaryStatus(fleet)).kept;
    assert.deepEqual(
      onPrimary.map(({ generation }) => generation),
      [2, 3, 4, 5],
    );
    assert.match(await mustRun(fleet.primary, "status"), /^kept +4 generations, oldest 2 of 20\d\d-.*Z$/m);
    const { kept: onReplica } = await heldBy(fleet.replica);
    // The received copies tell the same time.
    assert.deepEqual(onReplica, onPrimary.slice(1));
    assert.match(
      await mustRun(fleet.replica, "status"),
      /^kept +3 generations, oldest 3 of 20\d\d-.*Z, of host1\.test/m,
    );
    for (const side of [fleet.primary, fleet.replica]) {
      const found = JSON.parse(await mustRun(side, "verify", "--generation", "3", "--json"));
      assert.deepEqual([found.verdict, found.generation], ["intact", 3]);
    }
  });

  test("one that is not there is named with those that are", async () => {
    const { exitCode, stderr } = await fleet.replica.run("verify", "--generation", "1");
    assert.equal(exitCode, 1);
    assert.match(stderr, /generation 1 is not on disk/);
    assert.match(stderr, /these are: 3, 4, 5/);
    const wrong = await fleet.replica.run("verify", "--generation", "0");
    assert.match(wrong.stderr, /--generation 0 is not a number from 1/);
  });

  test("a send that is held delays a deletion, which comes by itself when the send ends", async () => {
    const primary = await storeOf(fleet, "primary");
    await ingest(fleet, someEvents(400, "bulk", { reason: "x".repeat(4000) }));
    await sealAndPush(fleet);
    const send = spawnSend({ path: primary.generation(6).timing });
    await once(send.stdout, "readable");
    for (let more = 0; more < 4; more += 1) await sealAndPush(fleet);
    await eventually(
      async () => fleet.primary.daemon.log.includes("a generation cannot be deleted yet"),
      () => "the held generation was not met",
    );
    // The others went; of this one the half that the send reads is left.
    await generationsAre(fleet, { primary: [7, 8, 9, 10] });
    send.stdout.resume();
    requireSuccess(await send, "generation 6");
    await expectConverged(fleet, { kept: 4, keptByReplica: 3 });
    await eventually(
      async () => fleet.primary.daemon.log.includes("a generation that could not go is deleted"),
      () => "nothing was said of its end",
    );
    assert.equal(fleet.primary.daemon.log.split("cannot be deleted yet").length, 2);
  });

  test("a smaller rule deletes the surplus at the next start", async () => {
    for (const side of [fleet.primary, fleet.replica]) {
      await side.daemon.stop();
      const options = JSON.parse(await readFile(side.configPath, "utf8"));
      await writeFile(side.configPath, JSON.stringify({ ...options, keep: { last: 1 } }));
      await side.daemon.start();
    }
    await expectConverged(fleet);
    await generationsAre(fleet, { primary: [10], replica: [10] });
    assert.doesNotMatch(await mustRun(fleet.primary, "status"), /^kept/m);
  });
});

describe("a replica that is away for longer than its base is kept", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await makeFleet({
      volume: "256M",
      primary: { ...QUIET, push: { hello_seconds: 1, pins: { max_age: "2s" } } },
    });
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    for (let generation = 1; generation <= 2; generation += 1) await sealAndPush(fleet);
    await expectConverged(fleet);
  });
  after(() => fleet?.stop());

  /**
   * Stops the replica and seals, until its base is let go and deleted: it goes some seconds later, and a replica that is
   * back before that still gets an increment.
   */
  async function loseBase(): Promise<LinkStatus> {
    await fleet.replica.daemon.stop();
    await ingest(fleet, someEvents(3));
    const newest = await seal(fleet);
    const link = await linkBecomes(fleet, ({ health }) => health === "needs-full");
    await generationsAre(fleet, { primary: [newest] });
    return link;
  }

  test("needs all of the store, and says so where an operator looks, also after a restart of the primary", async () => {
    const { pins } = await linkBecomes(fleet, ({ health }) => health === "healthy");
    assert.deepEqual(pins, [{ generation: 2, superseded: null }]);
    const link = await loseBase();
    assert.match(
      link.reason,
      /^its base, generation 2, was let go 20.*Z: it has been out of date for \d+ seconds, more /,
    );
    assert.match(link.reason, /push\.pins\.max_age/);
    assert.match(link.hint ?? "", /all of the store is sent when it is reached/);
    assert.deepEqual([link.code, link.pins], ["needs-full", []]);
    assert.match(await mustRun(fleet.primary, "status"), /needs-full .*its base, generation 2, was let go/);
    const { log } = fleet.primary.daemon;
    assert.equal(
      log.match(/error a replica's base is let go: it needs all of the store replica=replica-1/g)?.length,
      1,
    );
    await fleet.primary.daemon.stop();
    await fleet.primary.daemon.start();
    const again = await linkBecomes(fleet, ({ health }) => health !== "connecting");
    assert.match(again.reason, /^its base, generation 2, was let go/);
    assert.deepEqual(again.pins, []);
  });

  test("gets all of it when it is back, and increments from then on", async () => {
    await fleet.replica.daemon.start();
    const { last_push, hint } = await linkBecomes(fleet, ({ health }) => health === "healthy");
    assert.deepEqual([last_push?.kind, last_push?.generation, hint], ["full", 3, undefined]);
    await expectConverged(fleet);
    await sealAndPush(fleet);
    assert.equal((await linkBecomes(fleet, ({ generation }) => generation === 4)).last_push?.kind, "increment");
    await expectConverged(fleet);
  });

  test("waits for an operator's word where that is asked for", async () => {
    await fleet.primary.daemon.stop();
    const options = JSON.parse(await readFile(fleet.primary.configPath, "utf8"));
    await writeFile(fleet.primary.configPath, JSON.stringify({ ...options, push: { ...options.push, full: "ask" } }));
    await fleet.primary.daemon.start();
    await linkBecomes(fleet, ({ health }) => health === "healthy");
    const lost = await loseBase();
    await fleet.replica.daemon.start();
    const heard = await linkBecomes(fleet, ({ last_contact }) => last_contact !== lost.last_contact);
    const later = await linkBecomes(fleet, ({ last_contact }) => last_contact !== heard.last_contact);
    for (const { health, generation, bytes_sent, hint } of [heard, later]) {
      assert.deepEqual([health, generation, bytes_sent], ["needs-full", 4, lost.bytes_sent]);
      assert.match(hint ?? "", /isochron-primary resync replica-1 --full/);
    }
    // With its base gone there is no other way than a full send.
    await mustRun(fleet.primary, "resync", REPLICA_NAME, "--full");
    await expectConverged(fleet);
  });
});

describe("a replica that is away while its base is part of the history", () => {
  test("gets an increment when it is back, however old its base is", async () => {
    const push = { hello_seconds: 1, pins: { max_age: "1s" } };
    await withFleet({ volume: "256M", primary: { ...QUIET, keep: "last 3", push } }, async (fleet) => {
      await sealAndPush(fleet);
      await fleet.replica.daemon.stop();
      await ingest(fleet, someEvents(3));
      await seal(fleet);
      const since = await linkBecomes(fleet, ({ pins }) => pins[0]?.superseded !== null);
      // Longer than its base may be out of date, by the clock of the watch itself.
      await eventually(
        async () => Date.now() - Date.parse(since.pins[0]?.superseded ?? "") > 6000,
        () => "time stands still",
      );
      await linkBecomes(fleet, ({ health }) => health === "unreachable");
      await fleet.replica.daemon.start();
      const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === 2);
      assert.equal(last_push?.kind, "increment");
      await expectConverged(fleet, { kept: 2, keptByReplica: 1 });
    });
  });
});

/** Seals a few events, and waits until the replica has acked them. */
async function sealAndPush(fleet: Fleet): Promise<void> {
  await ingest(fleet, someEvents(3));
  const sealed = await seal(fleet);
  await linkBecomes(fleet, ({ generation }) => generation === sealed);
}

async function heldBy(replica: FleetSide): Promise<HeldStatus> {
  const { held } = JSON.parse(await mustRun(replica, "status", "--json")) as { held: HeldStatus[] };
  assert.equal(held.length, 1);
  return held[0] as HeldStatus;
}

/** Waits until these generations, and no others, are on disk. */
async function generationsAre(fleet: Fleet, wanted: { primary: number[]; replica?: number[] }): Promise<void> {
  for (const [role, numbers] of Object.entries(wanted)) {
    const store = await storeOf(fleet, role as "primary" | "replica");
    let there: number[] = [];
    await eventually(
      async () => {
        there = await listGenerations(store);
        return there.join() === numbers.join();
      },
      () => `the ${role} holds ${there.join(", ")}, not ${numbers.join(", ")}`,
    );
  }
}
