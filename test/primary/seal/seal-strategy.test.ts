// The decision alone: no timer, no clock.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addWaiting,
  describeStrategy,
  dueInMs,
  type Moment,
  NOTHING_WAITS,
  type SealStrategy,
  soonMs,
  type Waiting,
} from "../../../primary/seal/seal-strategy.js";
import type { Priority } from "../../../shared/format/entry.js";

const BEGIN: Moment = { wallMs: Date.parse("2026-11-21T16:07:00Z"), monotonicMs: 5000 };
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const PRIORITY: SealStrategy = {
  kind: "priority",
  delaysMs: { critical: 0, high: 1000, medium: 5000, low: 30_000 },
};
const BATCH: SealStrategy = { kind: "batch", maxEvents: 10, maxDelayMs: 4000 };
const QUARTERS: SealStrategy = { kind: "interval", interval: "15min" };
const ALL: SealStrategy[] = [PRIORITY, BATCH, QUARTERS, { kind: "realtime" }, { kind: "interval", interval: "per-op" }];

/** `ms` later, on both clocks or on the wall's by another amount. */
function later(ms: number, wallMs = ms): Moment {
  return { wallMs: BEGIN.wallMs + wallMs, monotonicMs: BEGIN.monotonicMs + ms };
}

function waits(...arrivals: [priority: Priority, count: number, at: Moment][]): Waiting {
  return arrivals.reduce(
    (all, [priority, count, at]) => addWaiting(all, new Map([[priority, count]]), at),
    NOTHING_WAITS,
  );
}

test("an idle ledger is never due, whatever the strategy", () => {
  for (const strategy of ALL) assert.equal(dueInMs(strategy, NOTHING_WAITS, later(400 * HOUR_MS)), Infinity);
});

test("realtime and per-op are due as soon as anything waits", () => {
  const waiting = waits(["low", 1, BEGIN]);
  assert.equal(dueInMs({ kind: "realtime" }, waiting, BEGIN), 0);
  assert.equal(dueInMs({ kind: "interval", interval: "per-op" }, waiting, BEGIN), 0);
});

describe("priority", () => {
  test("the most urgent event that waits sets the time, however late it came", () => {
    assert.equal(dueInMs(PRIORITY, waits(["low", 7, BEGIN]), later(10_000)), 20_000);
    assert.equal(dueInMs(PRIORITY, waits(["low", 7, BEGIN], ["medium", 1, later(9000)]), later(10_000)), 4000);
    assert.equal(dueInMs(PRIORITY, waits(["low", 7, BEGIN], ["critical", 1, later(9000)]), later(9000)), 0);
  });

  test("later events of a priority do not put off the first", () => {
    assert.equal(dueInMs(PRIORITY, waits(["high", 1, BEGIN], ["high", 1, later(900)]), later(900)), 100);
  });

  test("an event that has waited long enough is due before a more urgent one that came just now", () => {
    const waiting = waits(["low", 1, BEGIN], ["medium", 1, later(29_000)]);
    assert.equal(dueInMs(PRIORITY, waiting, later(29_000)), 1000);
  });
});

describe("batch", () => {
  test("is due at max_events, counted over all priorities", () => {
    const nine = waits(["low", 5, BEGIN], ["critical", 4, later(10)]);
    assert.equal(dueInMs(BATCH, nine, later(10)), 3990);
    assert.equal(dueInMs(BATCH, addWaiting(nine, new Map([["high", 1]]), later(20)), later(20)), 0);
  });

  test("is due at max_delay after the first event, if that is sooner", () => {
    const waiting = waits(["low", 1, BEGIN], ["low", 1, later(3999)]);
    assert.equal(dueInMs(BATCH, waiting, later(3999)), 1);
    assert.equal(dueInMs(BATCH, waiting, later(4000)), 0);
  });
});

describe("interval", () => {
  test("is due at the next moment of the grid, not an interval after the event", () => {
    assert.equal(dueInMs(QUARTERS, waits(["critical", 500, BEGIN]), later(0)), 8 * MINUTE_MS);
    assert.equal(dueInMs(QUARTERS, waits(["low", 1, BEGIN]), later(8 * MINUTE_MS - 1)), 1);
  });

  test("a host that slept through the moment is due when it wakes, though its own clock stood still", () => {
    const due = dueInMs(QUARTERS, waits(["low", 1, BEGIN]), later(1000, 9 * HOUR_MS));
    assert.ok(due <= 0, String(due));
  });

  test("a clock that is set back holds events for one interval at the most", () => {
    const waiting = waits(["low", 1, BEGIN]);
    const due = dueInMs(QUARTERS, waiting, later(1000, -9 * HOUR_MS));
    assert.ok(due > 14 * MINUTE_MS && due < 16 * MINUTE_MS, String(due));
    assert.ok(dueInMs(QUARTERS, waiting, later(16 * MINUTE_MS, -9 * HOUR_MS)) <= 0);
  });

  test("clocks that run unequally fast make no generation before its time", () => {
    const weekly: SealStrategy = { kind: "interval", interval: "1w" };
    const monday: Moment = { wallMs: Date.parse("2026-11-16T00:00:00Z"), monotonicMs: 0 };
    const weekMs = 7 * 24 * HOUR_MS;
    // The kernel slews by up to 500 parts in a million.
    const now = { wallMs: monday.wallMs + weekMs - 1, monotonicMs: weekMs * 1.0005 };
    assert.equal(dueInMs(weekly, waits(["low", 1, monday]), now), 1);
  });
});

test("delays are counted by the clock that saw more: neither sleep nor a clock set back holds up a seal", () => {
  const waiting = waits(["low", 1, BEGIN]);
  assert.ok(dueInMs(PRIORITY, waiting, later(1000, HOUR_MS)) <= 0);
  assert.equal(dueInMs(PRIORITY, waiting, later(1000, -HOUR_MS)), 29_000);
  assert.ok(dueInMs(BATCH, waiting, later(1000, HOUR_MS)) <= 0);
});

test("what no strategy holds up waits a second, or as long as a high event", () => {
  assert.deepEqual(ALL.map(soonMs), [1000, 1000, 1000, 1000, 1000]);
  assert.equal(soonMs({ ...PRIORITY, delaysMs: { critical: 0, high: 50, medium: 60, low: 70 } }), 50);
});

test("each strategy is shown with its settings, in units that people read", () => {
  assert.deepEqual(ALL.map(describeStrategy), [
    "priority: critical 0ms, high 1s, medium 5s, low 30s",
    "batch of 10 events or 4s",
    "interval 15min",
    "realtime",
    "interval per-op",
  ]);
});
