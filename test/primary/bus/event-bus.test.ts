// The event bus (requirement 3.5) between callers that append as sources do and a real ledger.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AppendedEvent, Interceptor, LostEvents } from "../../../primary/event.js";
import { admittedEvent } from "../../support/admitted-event.js";
import { until } from "../../support/until.js";
import { appendMany, LEDGER_LIMITS, range, seqs, withBus } from "./bus-ledger.js";

const ROOMY = { maxQueuedEvents: 100_000, maxQueuedBytes: 1 << 30, whenFull: "drop" } as const;

/** A subscriber that keeps what it gets; `stick` keeps its next delivery from ending until `release`. */
class Reader {
  readonly events: AppendedEvent[] = [];
  readonly losses: LostEvents[] = [];
  #stuck: Promise<void> | undefined;
  #release: () => void = () => undefined;

  readonly deliver = async (events: readonly AppendedEvent[], lost: LostEvents | undefined): Promise<void> => {
    if (lost) this.losses.push(lost);
    this.events.push(...events);
    await this.#stuck;
  };
  stick(): void {
    this.#stuck = new Promise((resolve) => {
      this.#release = resolve;
    });
  }
  release(): void {
    this.#stuck = undefined;
    this.#release();
  }
}

describe("the event bus: publish and subscribe", () => {
  test("gives every subscriber every durable event, in the order of the ledger", () =>
    withBus(async ({ bus }) => {
      const [one, other] = [new Reader(), new Reader()];
      bus.subscribe({ name: "one", ...ROOMY, deliver: one.deliver });
      bus.subscribe({ name: "other", ...ROOMY, whenFull: "wait", deliver: other.deliver });
      const acks = await appendMany(bus, 1000);
      assert.deepEqual(
        acks.map(({ seq }) => seq),
        range(0, 1000),
      );
      await until(() => one.events.length === 1000 && other.events.length === 1000);
      assert.deepEqual(seqs(one.events), range(0, 1000));
      assert.deepEqual(seqs(other.events), range(0, 1000));
      assert.equal(one.events[7]?.entry.element_id, "interface:eth1");
    }));

  test("gives nothing to a subscription that was closed", () =>
    withBus(async ({ bus }) => {
      const reader = new Reader();
      const subscription = bus.subscribe({ name: "gone", ...ROOMY, deliver: reader.deliver });
      await appendMany(bus, 1);
      await until(() => reader.events.length === 1);
      subscription.close();
      const after = new Reader();
      bus.subscribe({ name: "after", ...ROOMY, deliver: after.deliver });
      await appendMany(bus, 10);
      await until(() => after.events.length === 10);
      assert.equal(reader.events.length, 1);
      assert.deepEqual(
        bus.state().subscribers.map(({ name }) => name),
        ["after"],
      );
    }));

  test("counts and logs a subscriber that throws, and the others get their events", () =>
    withBus(async ({ bus, errors }) => {
      const reader = new Reader();
      bus.subscribe({
        name: "thrower",
        ...ROOMY,
        deliver: () => {
          throw new Error("no");
        },
      });
      bus.subscribe({ name: "rejecter", ...ROOMY, deliver: () => Promise.reject(new Error("never")) });
      bus.subscribe({ name: "reader", ...ROOMY, deliver: reader.deliver });
      for (let round = 0; round < 5; round += 1) {
        await appendMany(bus, 1);
        await until(() => bus.state().subscribers.every((one) => one.delivered + one.failures === round + 1));
      }
      assert.equal(reader.events.length, 5);
      assert.deepEqual(
        bus.state().subscribers.map(({ name, failures }) => [name, failures]),
        [
          ["thrower", 5],
          ["rejecter", 5],
          ["reader", 0],
        ],
      );
      // At the first, second and fourth failure of each.
      assert.equal(errors.length, 6);
      assert.equal(errors[0]?.[1]?.subscriber, "thrower");
    }));
});

describe("the event bus: bounds", () => {
  test("a subscriber that never resolves fills its own queue and no more, by number, while others go on", () =>
    withBus(async ({ bus }) => {
      const [stuck, reader] = [new Reader(), new Reader()];
      stuck.stick();
      bus.subscribe({ name: "stuck", ...ROOMY, maxQueuedEvents: 100, deliver: stuck.deliver });
      bus.subscribe({ name: "reader", ...ROOMY, deliver: reader.deliver });
      let most = 0;
      for (let round = 0; round < 50; round += 1) {
        await appendMany(bus, 100);
        most = Math.max(most, bus.state().subscribers[0]?.queued_events ?? 0);
      }
      await until(() => reader.events.length === 5000);
      assert.equal(most, 100);

      // It is told exactly what it lost, before what comes behind.
      const taken = stuck.events.length;
      assert.ok(taken <= 256);
      assert.equal(bus.state().subscribers[0]?.lost, 5000 - 100 - taken);
      stuck.release();
      await until(() => stuck.events.length === taken + 100);
      assert.deepEqual(stuck.losses, [{ firstSeq: taken, lastSeq: 4899 }]);
      assert.deepEqual(seqs(stuck.events), [...range(0, taken), ...range(4900, 5000)]);
    }));

  test("a subscriber that never resolves fills its own queue and no more, by bytes", () =>
    withBus(async ({ bus }) => {
      const stuck = new Reader();
      stuck.stick();
      const maxQueuedBytes = 64 * 1024;
      bus.subscribe({ name: "stuck", ...ROOMY, maxQueuedBytes, deliver: stuck.deliver });
      const stateJson = JSON.stringify("x".repeat(4000));
      for (let round = 0; round < 20; round += 1) {
        await appendMany(bus, 20, { stateJson });
        assert.ok((bus.state().subscribers[0]?.queued_bytes ?? 0) <= maxQueuedBytes);
      }
      assert.ok((bus.state().subscribers[0]?.lost ?? 0) > 100);

      // An event that is larger than the whole queue is lost as well, and told at once when there is nothing else.
      stuck.release();
      await until(() => bus.state().subscribers[0]?.queued_events === 0 && stuck.losses.length > 0);
      // A first round of many events may have lost some before anything was delivered.
      const told = stuck.losses.length;
      const large = await bus.append(admittedEvent(0, { stateJson: JSON.stringify("x".repeat(maxQueuedBytes)) }));
      await until(() => stuck.losses.length === told + 1);
      assert.deepEqual(stuck.losses[told], { firstSeq: large.seq, lastSeq: large.seq });
    }));

  test("sources wait for a subscriber that asks to be waited for, which loses nothing", () =>
    withBus(async ({ bus }) => {
      const reader = new Reader();
      reader.stick();
      const subscribed = {
        name: "slow",
        ...ROOMY,
        maxQueuedEvents: 50,
        whenFull: "wait",
        deliver: reader.deliver,
      } as const;
      bus.subscribe(subscribed);
      let done = false;
      const appending = appendMany(bus, 2000).then(() => {
        done = true;
      });
      await until(() => (bus.state().subscribers[0]?.queued_events ?? 0) >= 50);
      let stable = -1;
      while (stable !== bus.range.nextSeq) {
        stable = bus.range.nextSeq;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      assert.equal(done, false);
      assert.notEqual(bus.room(), undefined);
      // Past its bound by no more than the ledger itself may hold: its queue and two batches.
      const most = 50 + LEDGER_LIMITS.maxQueuedEvents + 2 * LEDGER_LIMITS.maxBatchEvents;
      assert.ok((bus.state().subscribers[0]?.queued_events ?? 0) <= most);
      reader.release();
      await appending;
      await until(() => reader.events.length === 2000);
      assert.deepEqual(seqs(reader.events), range(0, 2000));
      assert.deepEqual(reader.losses, []);
    }));

  test("sources go on when the one they wait for closes its subscription, and when the bus lets them", () =>
    withBus(async ({ bus }) => {
      const stuck = new Reader();
      stuck.stick();
      const options = {
        name: "stuck",
        ...ROOMY,
        maxQueuedEvents: 10,
        whenFull: "wait",
        deliver: stuck.deliver,
      } as const;
      const subscription = bus.subscribe(options);
      const appending = appendMany(bus, 1000);
      await until(() => bus.room() !== undefined);
      subscription.close();
      await appending;

      bus.subscribe(options);
      const more = appendMany(bus, 1000);
      await until(() => bus.room() !== undefined);
      bus.release();
      await more;
      assert.equal(bus.range.nextSeq, 2000);
    }));
});

describe("the event bus: history", () => {
  test("holds the newest events, bounded by number", () =>
    withBus(
      async ({ bus }) => {
        await appendMany(bus, 500);
        assert.deepEqual(bus.range, { firstSeq: 400, nextSeq: 500 });
        assert.deepEqual(seqs(bus.history(0, 5)), range(400, 405));
        assert.deepEqual(seqs(bus.history(449, 1000)), range(450, 500));
        assert.deepEqual(bus.history(499, 10), []);
        assert.deepEqual(bus.history(9999, 10), []);
      },
      { history: { maxEvents: 100, maxBytes: 1 << 30 } },
    ));

  test("holds the newest events, bounded by bytes", () =>
    withBus(
      async ({ bus }) => {
        const stateJson = JSON.stringify("x".repeat(10_000));
        for (let round = 0; round < 20; round += 1) {
          await appendMany(bus, 30, { stateJson });
          assert.ok(bus.state().history.bytes <= 256 * 1024);
        }
        const { events, last_seq } = bus.state().history;
        assert.ok(events > 10 && events < 30, String(events));
        assert.equal(last_seq, 599);
      },
      { history: { maxEvents: 4096, maxBytes: 256 * 1024 } },
    ));

  test("is replayed to a subscriber that asks from where, without a gap to what comes, and what is gone is told", () =>
    withBus(
      async ({ bus }) => {
        await appendMany(bus, 500);
        const [early, late, ahead] = [new Reader(), new Reader(), new Reader()];
        bus.subscribe({ name: "early", ...ROOMY, deliver: early.deliver, from: 17 });
        bus.subscribe({ name: "late", ...ROOMY, deliver: late.deliver, from: 450 });
        bus.subscribe({ name: "ahead", ...ROOMY, deliver: ahead.deliver, from: 9999 });
        await appendMany(bus, 100);
        await until(() => [early, late, ahead].every(({ events }) => events.at(-1)?.seq === 599));
        assert.deepEqual(early.losses, [{ firstSeq: 17, lastSeq: 399 }]);
        assert.deepEqual(seqs(early.events), range(400, 600));
        assert.deepEqual(late.losses, []);
        assert.deepEqual(seqs(late.events), range(450, 600));
        assert.deepEqual(seqs(ahead.events), range(500, 600));
      },
      { history: { maxEvents: 100, maxBytes: 1 << 30 } },
    ));
});

describe("the event bus: interceptors", () => {
  test("see each event once it is durable, in order; one that throws is counted and logged, and harms nothing", async () => {
    const seen: number[] = [];
    const interceptors: Interceptor[] = [
      {
        name: "faulty",
        after: () => {
          throw new Error("no");
        },
      },
      { name: "seeing", after: ({ seq }) => seen.push(seq) },
      { name: "before only", before: () => undefined },
    ];
    await withBus(
      async ({ bus, errors }) => {
        const acks = await appendMany(bus, 300);
        assert.equal(acks.length, 300);
        assert.deepEqual(seen, range(0, 300));
        assert.deepEqual(bus.state().interceptors, [
          { name: "faulty", failures: 300 },
          { name: "seeing", failures: 0 },
          { name: "before only", failures: 0 },
        ]);
        assert.equal(errors.length, 9);
      },
      { interceptors },
    );
  });
});
