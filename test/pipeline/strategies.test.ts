// When generations are made, by both daemons as users run them. Exact counts and times are in primary/seal; here, that
// each strategy reaches the replica, and that nothing is sealed before its time. Counts have some room: what the primary
// records of its replicas are events too.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  eventually,
  expectConverged,
  ingest,
  linkBecomes,
  primaryStatus,
  QUIET,
  seal,
  someEvents,
} from "../support/drive-fleet.js";
import { ROOT, requirePart } from "../support/require-part.js";
import { type Fleet, makeFleet, withFleet } from "../support/start-fleet.js";

const DAY_MS = 24 * 3_600_000;

describe("strategies", () => {
  test("a batch is sealed when it is full, and not before", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withPrimary({ strategy: "batch", batch: { max_events: 50, max_delay: "1h" } }, async (fleet) => {
      await ingest(fleet, someEvents(30, "half", { priority: "critical" }));
      const half = await primaryStatus(fleet);
      assert.equal(half.ledger.generation, 0);
      assert.equal(half.seals.setting, "batch of 50 events or 1h");
      assert.ok(half.seals.waiting >= 30, JSON.stringify(half.seals));
      await ingest(fleet, someEvents(30, "full"));
      await sealedUpTo(fleet, 50);
      await expectConverged(fleet);
      await nothingIsLate(fleet);

      // What an operator's seal takes is not counted again.
      await ingest(fleet, someEvents(30));
      await seal(fleet);
      await ingest(fleet, someEvents(10));
      const { waiting } = (await primaryStatus(fleet)).seals;
      assert.ok(waiting >= 10 && waiting < 30, `${waiting} wait`);
      await expectConverged(fleet);
    });
  });

  test("a batch that does not fill up is sealed after max_delay", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withPrimary({ strategy: "batch", batch: { max_events: 1000, max_delay: "200ms" } }, async (fleet) => {
      const [ack] = await ingest(fleet, someEvents(1));
      await sealedUpTo(fleet, (ack?.seq ?? 0) + 1);
      await expectConverged(fleet);
    });
  });

  test("realtime makes a generation for every change, however low its priority", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    await withPrimary({ strategy: "realtime" }, async (fleet) => {
      for (let round = 1; round <= 3; round += 1) {
        const [ack] = await ingest(fleet, someEvents(1, "low", { priority: "low" }));
        await sealedUpTo(fleet, (ack?.seq ?? 0) + 1);
      }
      assert.ok((await primaryStatus(fleet)).ledger.generation >= 3);
      await expectConverged(fleet);
    });
  });

  test("an interval from the environment seals nothing before its time, critical or not, unless it is forced", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const fleet = await makeFleet({ volume: "256M" });
    try {
      fleet.primary.daemon.env.OPDBUS_SNAPSHOT_INTERVAL = "weekly";
      await fleet.replica.daemon.start();
      await fleet.primary.daemon.start();
      await ingest(fleet, someEvents(5, "waits", { priority: "critical" }));
      await linkBecomes(fleet, (link) => link.health === "healthy");
      const { ledger, seals } = await primaryStatus(fleet);
      assert.equal(ledger.generation, 0);
      assert.equal(seals.setting, "interval 1w");
      const due = new Date(seals.due ?? "");
      assert.deepEqual([due.getUTCDay(), due.getTime() % DAY_MS], [1, 0], "the midnight before Monday");
      assert.match(
        (await fleet.primary.run("status")).stdout,
        /^seals {5}interval 1w; events waiting: \d+, due at 20/m,
      );

      assert.equal(await seal(fleet), 1);
      await nothingIsLate(fleet);
      const after = (await primaryStatus(fleet)).seals;
      assert.ok(after.waiting < 5, JSON.stringify(after));
      await expectConverged(fleet);

      // What a stop leaves unsealed waits for no interval.
      const [ack] = await ingest(fleet, someEvents(1));
      await fleet.primary.daemon.stop();
      await fleet.primary.daemon.start();
      await sealedUpTo(fleet, (ack?.seq ?? 0) + 1);
      await expectConverged(fleet);
    } finally {
      await fleet.stop();
    }
  });
});

/** `low_ms` and its like are long: what is sealed is sealed by the strategy. */
async function withPrimary(options: Record<string, unknown>, body: (fleet: Fleet) => Promise<void>): Promise<void> {
  await withFleet({ volume: "256M", primary: { seal: { ...QUIET.seal, ...options } } }, async (fleet) => {
    await linkBecomes(fleet, (link) => link.health === "healthy");
    await body(fleet);
  });
}

/** Critical events wait for no vectors, which then have a generation of their own. */
async function nothingIsLate(fleet: Fleet): Promise<void> {
  await eventually(
    async () => {
      const { seals, vectorize } = await primaryStatus(fleet);
      return vectorize.late.waiting === 0 && !seals.running;
    },
    () => "vectors stay late",
  );
}

async function sealedUpTo(fleet: Fleet, size: number): Promise<void> {
  let last = await primaryStatus(fleet);
  await eventually(
    async () => {
      last = await primaryStatus(fleet);
      return last.ledger.sealed >= size;
    },
    () => `${size} entries are not sealed: ${JSON.stringify([last.ledger, last.seals])}`,
  );
}
