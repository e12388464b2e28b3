// Real timers with small delays. What is checked is the order and number of seals, never how long they took.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type SealDelays, SealSchedule } from "../../../primary/seal/schedule-seals.js";

const NEVER_MS = 3_600_000;
const DELAYS: SealDelays = { critical: 0, high: 20, medium: NEVER_MS, low: NEVER_MS };

/** Counts its seals; `release` lets one that waits end. */
class Seals {
  count = 0;
  running = 0;
  mostRunning = 0;
  #release: (() => void)[] = [];
  readonly #waits: boolean;
  #onSeal: (() => void)[] = [];

  constructor({ waits = false } = {}) {
    this.#waits = waits;
  }

  seal = async (): Promise<void> => {
    this.count += 1;
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    for (const wake of this.#onSeal.splice(0)) wake();
    if (this.#waits) await new Promise<void>((resolve) => this.#release.push(resolve));
    this.running -= 1;
  };

  release(): void {
    this.#release.shift()?.();
  }

  async reach(count: number): Promise<void> {
    while (this.count < count) await new Promise<void>((resolve) => this.#onSeal.push(resolve));
  }
}

test("a critical event seals at once and takes what waits for longer with it", async () => {
  const seals = new Seals();
  const schedule = new SealSchedule(DELAYS, seals.seal);
  schedule.demand("low");
  schedule.demand("medium");
  schedule.demand("critical");
  await seals.reach(1);
  await sleep(60);
  assert.equal(seals.count, 1);
  await schedule.stop();
});

test("many demands within one delay are one seal", async () => {
  const seals = new Seals();
  const schedule = new SealSchedule(DELAYS, seals.seal);
  for (let i = 0; i < 100; i += 1) schedule.demand("high");
  await seals.reach(1);
  await sleep(60);
  assert.equal(seals.count, 1);
  await schedule.stop();
});

test("demands during a seal fold into one that follows it", async () => {
  const seals = new Seals({ waits: true });
  const schedule = new SealSchedule(DELAYS, seals.seal);
  schedule.demand("critical");
  await seals.reach(1);
  for (let i = 0; i < 10; i += 1) schedule.demand("critical");
  await sleep(30);
  assert.equal(seals.count, 1);
  seals.release();
  await seals.reach(2);
  seals.release();
  await sleep(30);
  assert.equal(seals.count, 2);
  assert.equal(seals.mostRunning, 1);
  await schedule.stop();
});

test("an idle ledger is never sealed", async () => {
  const seals = new Seals();
  const schedule = new SealSchedule(DELAYS, seals.seal);
  schedule.demand("low");
  await sleep(60);
  assert.equal(seals.count, 0);
  await schedule.stop();
});

test("a stop waits for the seal that runs, and none follows it", async () => {
  const seals = new Seals({ waits: true });
  const schedule = new SealSchedule(DELAYS, seals.seal);
  schedule.demand("critical");
  await seals.reach(1);
  schedule.demand("critical");
  let stopped = false;
  const stop = schedule.stop().then(() => {
    stopped = true;
  });
  await sleep(30);
  assert.equal(stopped, false);
  seals.release();
  await stop;
  schedule.demand("critical");
  await sleep(30);
  assert.equal(seals.count, 1);
});
