// Every btrfs command that the flow runs fails once, before and after it has done its work. Whatever was acked must stay,
// nothing may be promoted that is not whole, and once the fault is gone the fleet must come back by itself.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { LinkStatus } from "../../primary/push/link-status.js";
import { currentGeneration } from "../../shared/store/generations.js";
import { type BreakableBtrfs, makeBreakableBtrfs } from "../support/break-btrfs.js";
import {
  eventually,
  expectAnswered,
  expectConverged,
  expectIncrement,
  ingest,
  linkBecomes,
  mustRun,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { type Fleet, makeFleet, replicaAnswers } from "../support/start-fleet.js";

describe("a btrfs command that fails", () => {
  let fleet: Fleet;
  let btrfs: BreakableBtrfs;
  before(async () => {
    fleet = await makeFleet({ volume: "256M", primary: QUIET });
    btrfs = await makeBreakableBtrfs(fleet.folder);
    for (const side of [fleet.replica, fleet.primary]) {
      side.daemon.env.PATH = btrfs.path;
      await side.daemon.start();
    }
    await ingest(fleet, someEvents(10));
    await seal(fleet);
    await expectConverged(fleet);
  });
  after(() => fleet?.stop());

  for (const late of [false, true]) {
    const when = late ? "after its work is done" : "at its start";

    test(`subvolume snapshot, in a seal, ${when}: the primary ends, and its next start seals anew`, async () => {
      const acks = await ingest(fleet, someEvents(5));
      const { ledger } = await primaryStatus(fleet);
      await btrfs.breakAt("subvolume snapshot", { after: late });
      await assert.rejects(seal(fleet));
      assert.equal(await fleet.primary.daemon.ended(), 1);
      await btrfs.mend();
      await fleet.primary.daemon.start();
      assert.equal((await primaryStatus(fleet)).ledger.size >= ledger.size, true);
      await seal(fleet, { force: true });
      await wakeLink(fleet);
      await expectConverged(fleet);
      await expectAnswered(fleet, acks);
    });

    for (const { words, step } of [
      { words: "send", step: "the push" },
      { words: "receive", step: "the receive" },
      { words: "filesystem sync", step: "the sync before the promotion" },
      { words: "subvolume list", step: "the look at what arrived" },
    ]) {
      test(`${words}, ${step}, ${when}: nothing is promoted, and the same increment is taken afterwards`, async () => {
        const replica = await storeOf(fleet, "replica");
        const held = currentGeneration(replica);
        await ingest(fleet, someEvents(5));
        await btrfs.breakAt(words, { after: late });
        const next = await seal(fleet);
        await linkBecomes(fleet, ({ health }) => health === "lagging");
        assert.equal(currentGeneration(replica), held);
        await btrfs.mend();
        await expectIncrement(fleet, next);
        assert.deepEqual(await readdir(replica.staging), []);
      });
    }

    const outcome = late ? "older generations are gone all the same" : "older generations stay until the next turn";
    test(`subvolume delete, ${when}: ${outcome}`, async () => {
      await btrfs.breakAt("subvolume delete", { after: late });
      await ingest(fleet, someEvents(5));
      const next = await seal(fleet);
      await linkBecomes(fleet, ({ generation }) => generation === next);
      if (late) await expectConverged(fleet);
      else
        await eventually(
          async () => /a generation cannot be deleted yet/.test(fleet.primary.daemon.log + fleet.replica.daemon.log),
          () => "no deletion was tried",
        );
      await btrfs.mend();
      await ingest(fleet, someEvents(5));
      await seal(fleet);
      await expectConverged(fleet);
    });
  }

  test("subvolume show, at the start of the replica: its store is not taken for a new one, and is held again by itself", async () => {
    const { pushes } = await linkBecomes(fleet, ({ health }) => health === "healthy");
    await btrfs.breakAt("subvolume show");
    await fleet.replica.daemon.stop();
    await fleet.replica.daemon.start();
    await wakeLink(fleet);
    const link = await linkBecomes(fleet, ({ reason }) => /cannot be held/.test(reason));
    assert.deepEqual([link.health, link.code, link.pushes.acked], ["lagging", "internal-error", pushes.acked]);
    assert.match(await mustRun(fleet.replica, "status"), /cannot be held: .*broken by the test/);
    await btrfs.mend();
    await ingest(fleet, someEvents(5));
    const next = await seal(fleet);
    await expectIncrement(fleet, next);
  });

  for (const [how, lose] of [
    ["with the primary", () => fleet.primary.daemon.kill().then(() => fleet.primary.daemon.start())],
    ["with the link", () => fleet.sshd.cut()],
  ] as const) {
    test(`an ack that is lost ${how}: the replica has it all, is sent nothing again, and its old base goes`, async () => {
      const { ledger } = await primaryStatus(fleet);
      await btrfs.hold("filesystem sync");
      await ingest(fleet, someEvents(5));
      const next = await seal(fleet);
      // The replica's, once all of a push is there.
      await btrfs.waits();
      await lose();
      await btrfs.mend();
      await replicaAnswers(fleet, ledger.size + 6);
      await expectConverged(fleet);
      assert.notEqual((await primaryStatus(fleet)).replicas[0]?.last_push?.generation, next);
    });
  }

  test("a link that is lost while what arrived is synced: what the replica may come to hold stays, over a restart too", async () => {
    await btrfs.hold("filesystem sync");
    await ingest(fleet, someEvents(5));
    const arrived = await seal(fleet);
    await btrfs.waits();
    const { last_contact: before } = await linkBecomes(fleet, () => true);
    await fleet.sshd.cut();
    await ingest(fleet, someEvents(5));
    await seal(fleet);
    const isPinned = ({ pins }: LinkStatus) => pins.some(({ generation }) => generation === arrived);
    const heard = await linkBecomes(fleet, ({ last_contact }) => last_contact !== before);
    assert.ok(isPinned(heard), JSON.stringify(heard.pins));
    await fleet.sshd.pause();
    await ingest(fleet, someEvents(5));
    const newest = await seal(fleet);
    await fleet.primary.daemon.stop();
    await fleet.primary.daemon.start();
    const again = await linkBecomes(fleet, () => true);
    assert.ok(isPinned(again), JSON.stringify(again.pins));
    await btrfs.mend();
    fleet.sshd.resume();
    await expectIncrement(fleet, newest);
  });
});
