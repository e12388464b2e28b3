// Timers and clocks are simulated, so that weeks pass in no time. What is checked is which seals are made, and when.
import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SealSchedule } from "../../../primary/seal/schedule-seals.js";
import type { Moment, SealStrategy } from "../../../primary/seal/seal-strategy.js";
import type { Priority } from "../../../shared/format/entry.js";

const PRIORITY: SealStrategy = {
  kind: "priority",
  delaysMs: { critical: 0, high: 20, medium: 3_600_000, low: 3_600_000 },
};
const WEEKLY: SealStrategy = { kind: "interval", interval: "1w" };
const MONDAY_MS = Date.parse("2026-11-23T00:00:00Z");
const WEEK_MS = 7 * 24 * 3_600_000;

/** A schedule with the store that it seals: a seal takes what was appended, and lasts until `release` if it is held. */
class Sealed {
  readonly now: Moment = { wallMs: MONDAY_MS, monotonicMs: 1000 };
  readonly schedule: SealSchedule;
  /** When each seal began, in milliseconds after the start. */
  readonly begunMs: number[] = [];
  held = false;
  failing = false;
  #release: (() => void)[] = [];

  constructor(t: TestContext, strategy: SealStrategy) {
    mock.timers.enable({ apis: ["setTimeout"] });
    t.after(async () => {
      this.held = false;
      this.release();
      await this.schedule.stop();
      mock.timers.reset();
    });
    const clock = () => ({ ...this.now });
    this.schedule = new SealSchedule({ strategy, seal: () => this.#seal(), clock });
  }

  append(priority: Priority, count = 1): void {
    this.schedule.appended(new Map([[priority, count]]));
  }

  release(): void {
    for (const one of this.#release.splice(0)) one();
  }

  /** Time goes by on all clocks, in steps in which whatever is due is done. */
  async pass(ms: number, stepMs = ms): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      this.now.wallMs += stepMs;
      this.now.monotonicMs += stepMs;
      mock.timers.tick(stepMs);
      await turn();
    }
  }

  /** The host sleeps: timers and the monotonic clock stand still. */
  sleep(ms: number): void {
    this.now.wallMs += ms;
  }

  async #seal(): Promise<void> {
    this.begunMs.push(this.now.monotonicMs - 1000);
    if (this.held) await new Promise<void>((resolve) => this.#release.push(resolve));
    if (this.failing) this.schedule.soon();
    else this.schedule.enclosed();
  }
}

test("a critical event seals at once and takes what waits for longer with it", async (t) => {
  const store = new Sealed(t, PRIORITY);
  store.append("low");
  store.append("medium");
  store.append("critical");
  await store.pass(1);
  await store.pass(4 * 3_600_000, 4000);
  assert.deepEqual(store.begunMs, [1]);
});

test("many events within one delay are one seal", async (t) => {
  const store = new Sealed(t, PRIORITY);
  for (let i = 0; i < 100; i += 1) store.append("high");
  await store.pass(10);
  store.append("high");
  await store.pass(100, 1);
  assert.deepEqual(store.begunMs, [20]);
});

test("what comes during a seal folds into one that follows it", async (t) => {
  const store = new Sealed(t, { kind: "realtime" });
  store.held = true;
  store.append("low");
  await store.pass(1);
  await store.pass(5, 1);
  assert.equal(store.begunMs.length, 1);
  store.release();
  await turn();
  for (let i = 0; i < 10; i += 1) store.append("low");
  await store.pass(1);
  assert.equal(store.begunMs.length, 2);
  for (let i = 0; i < 10; i += 1) store.append("critical");
  await store.pass(50, 1);
  assert.equal(store.begunMs.length, 2, "no two at a time");
  store.held = false;
  store.release();
  await store.pass(50, 1);
  assert.equal(store.begunMs.length, 2, "they came before that seal's entry");
  store.append("low");
  await store.pass(1);
  assert.equal(store.begunMs.length, 3);
});

test("what comes after a seal's entry and before its end is sealed by the next", async (t) => {
  const store = new Sealed(t, { kind: "realtime" });
  store.held = true;
  store.append("low");
  await store.pass(1);
  store.schedule.enclosed();
  store.append("low");
  const { waiting, running } = store.schedule.state();
  assert.deepEqual({ waiting, running }, { waiting: 1, running: true });
});

test("a batch is sealed when it is full, and events that another seal took are not counted again", async (t) => {
  const store = new Sealed(t, { kind: "batch", maxEvents: 10, maxDelayMs: 60_000 });
  store.append("low", 9);
  await store.pass(100);
  // An operator's seal.
  store.schedule.enclosed();
  store.append("critical", 9);
  await store.pass(100);
  assert.deepEqual(store.begunMs, []);
  store.append("low");
  await store.pass(1);
  assert.deepEqual(store.begunMs, [201]);
  store.append("low");
  await store.pass(60_000, 1000);
  assert.deepEqual(store.begunMs, [201, 60_201]);
});

test("an interval of a week is waited out, beyond what a timer can hold", async (t) => {
  const store = new Sealed(t, WEEKLY);
  store.append("critical");
  await store.pass(WEEK_MS - 5000, 5000);
  assert.deepEqual(store.begunMs, []);
  assert.equal(store.schedule.state().due, "2026-11-30T00:00:00.000Z");
  await store.pass(5000);
  assert.deepEqual(store.begunMs, [WEEK_MS]);
});

test("a host that slept through the end of its interval seals seconds after it wakes", async (t) => {
  const store = new Sealed(t, WEEKLY);
  store.append("low");
  await store.pass(60_000, 5000);
  store.sleep(2 * WEEK_MS);
  await store.pass(5000);
  assert.deepEqual(store.begunMs, [65_000]);
});

test("an idle ledger is never sealed", async (t) => {
  for (const strategy of [PRIORITY, WEEKLY, { kind: "realtime" }] as const) {
    const store = new Sealed(t, strategy);
    await store.pass(2 * WEEK_MS, 100_000);
    assert.deepEqual(store.begunMs, []);
    assert.deepEqual(store.schedule.state().due, null);
    await store.schedule.stop();
    mock.timers.reset();
  }
});

test("what a start found unsealed waits for no interval", async (t) => {
  const store = new Sealed(t, WEEKLY);
  store.schedule.soon();
  assert.equal(store.schedule.state().due, "2026-11-23T00:00:01.000Z");
  await store.pass(2000, 1000);
  assert.deepEqual(store.begunMs, [1000]);
});

test("a seal that is asked for while another one runs follows it, though that one's entry comes later", async (t) => {
  const store = new Sealed(t, WEEKLY);
  store.held = true;
  store.schedule.demandWithin(0);
  await store.pass(1);
  store.schedule.demandWithin(0);
  store.held = false;
  store.release();
  await store.pass(10, 1);
  assert.equal(store.begunMs.length, 2);
});

test("a seal that fails is tried again soon, until one stands", async (t) => {
  const store = new Sealed(t, WEEKLY);
  store.failing = true;
  store.schedule.soon();
  await store.pass(3000, 1000);
  store.failing = false;
  await store.pass(10_000, 1000);
  assert.deepEqual(store.begunMs, [1000, 2000, 3000, 4000]);
});

test("a stop waits for the seal that runs, and none follows it", async (t) => {
  const store = new Sealed(t, { kind: "realtime" });
  store.held = true;
  store.append("critical");
  await store.pass(1);
  let stopped = false;
  const stop = store.schedule.stop().then(() => {
    stopped = true;
  });
  await store.pass(1000, 100);
  assert.equal(stopped, false);
  store.release();
  await stop;
  store.append("critical");
  await store.pass(1000, 100);
  assert.equal(store.begunMs.length, 1);
});
