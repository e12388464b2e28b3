// A replica at the end of a bad line: cut without a word, cut for a moment, far away and lossy. Nothing is sent twice that
// need not be, nothing half arrived stays, and the fleet comes back by itself.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, type TestContext, test } from "node:test";
import type { LinkStatus } from "../../primary/push/link-status.js";
import {
  eventually,
  expectConverged,
  expectIncrement,
  ingest,
  linkBecomes,
  QUIET,
  seal,
  someEvents,
  storeOf,
  wakeLink,
} from "../support/drive-fleet.js";
import { bigEvents } from "../support/fill-volume.js";
import { type Fleet, makeFleet } from "../support/start-fleet.js";
import {
  type Network,
  type NetworkLink,
  networkIsPossible,
  requireNetwork,
  startNetwork,
} from "../support/with-network.js";

const STALL = { stall_seconds: 10 };

describe("a bad line", () => {
  let network: Network;
  let line: NetworkLink;
  let fleet: Fleet;
  const isThere = async (t: TestContext) => {
    if (!(await requireNetwork(t))) return false;
    await expectConverged(fleet);
    return true;
  };

  before(async () => {
    // Without the parts each test says what is missing.
    if (!(await networkIsPossible())) return;
    network = await startNetwork({ replicas: 1 });
    line = network.link(0);
    const primary = { ...QUIET, push: { hello_seconds: 1, ...STALL } };
    // However much of a push had arrived when it was cut, nothing is to be left of it.
    const receive = { ...STALL, keep_partial_hours: 0 };
    fleet = await makeFleet({ volume: "512M", network, primary, replica: { receive } });
    await fleet.replica.daemon.start();
    await fleet.primary.daemon.start();
    await ingest(fleet, someEvents(10));
    await seal(fleet);
  });
  after(async () => {
    await fleet?.stop();
    await network?.stop();
  });

  test("that is cut while idle: the next push finds out, and goes once the line is whole", async (t) => {
    if (!(await isThere(t))) return;
    await line.cut();
    await ingest(fleet, someEvents(5));
    const next = await seal(fleet);
    const isLost = ({ code }: LinkStatus) => code === "stalled" || code === "unreachable";
    // A hello that was under way may take a minute, whatever `stall_seconds` says.
    assert.equal((await linkBecomes(fleet, isLost, { minutes: 3 })).health, "unreachable");
    await line.heal();
    await wakeLink(fleet);
    const { last_push } = await linkBecomes(fleet, ({ generation }) => generation === next);
    // What was on its way when the line was cut may arrive after all: then nothing is sent again.
    assert.ok(last_push?.generation !== next || last_push.kind === "increment", JSON.stringify(last_push));
    await expectConverged(fleet);
  });

  test("that is cut in the middle of a push: both ends give up, nothing is left, and an increment goes later", async (t) => {
    if (!(await isThere(t))) return;
    const { staging } = await storeOf(fleet, "replica");
    await line.shape({ rateMbit: 8 });
    await ingest(fleet, bigEvents(40));
    const next = await seal(fleet);
    await eventually(
      async () => (await readdir(staging)).length > 0,
      () => "nothing arrives",
    );
    await line.cut();
    await linkBecomes(fleet, ({ health }) => health === "unreachable");
    // The replica has heard nothing of it, and finds out by itself.
    await eventually(
      async () => (await readdir(staging)).length === 0,
      () => "what has arrived is not swept",
    );
    await line.shape({});
    await line.heal();
    await expectIncrement(fleet, next);
  });

  test("that is cut for a moment: the same push goes on, and nothing of it is sent twice", async (t) => {
    if (!(await isThere(t))) return;
    const { pushes, bytes_sent } = await linkBecomes(fleet, () => true);
    await line.shape({ rateMbit: 16 });
    await ingest(fleet, bigEvents(20));
    const { packets } = await line.counts();
    const next = await seal(fleet);
    await eventually(
      async () => (await line.counts()).packets > packets + 500,
      () => "nothing is sent",
    );
    await line.cut();
    await line.heal();
    await line.shape({});
    const link = await linkBecomes(fleet, ({ generation }) => generation === next);
    assert.deepEqual(link.pushes, { acked: pushes.acked + 1, failed: pushes.failed });
    assert.equal(link.bytes_sent, bytes_sent + (link.last_push?.bytes ?? 0));
    await expectConverged(fleet);
  });

  test("that is far and loses one packet in thirty: all generations arrive, none by a second try", async (t) => {
    if (!(await isThere(t))) return;
    const { pushes } = await linkBecomes(fleet, () => true);
    await line.shape({ rateMbit: 100, roundTripMs: 80, lossPercent: 3 });
    for (let round = 0; round < 3; round += 1) {
      await ingest(fleet, someEvents(20));
      const next = await seal(fleet);
      await linkBecomes(fleet, ({ generation }) => generation === next);
    }
    const link = await linkBecomes(fleet, () => true);
    assert.deepEqual(link.pushes, { acked: pushes.acked + 3, failed: pushes.failed });
    assert.ok((await line.counts()).lost > 0);
    await line.shape({});
    await expectConverged(fleet);
  });
});
