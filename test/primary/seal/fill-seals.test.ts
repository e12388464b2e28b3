// When rows that fill a space get a generation.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FillSeals, fillPaceMs } from "../../../primary/seal/fill-seals.js";

const DELAYS = { critical: 0, high: 800, medium: 5000, low: 30_000 };

describe("generations of rows that fill a space", () => {
  test("come as seldom as those of the least urgent events, and not more often than each half a minute", () => {
    assert.equal(fillPaceMs({ kind: "priority", delaysMs: { ...DELAYS, low: 90_000 } }), 90_000);
    assert.equal(fillPaceMs({ kind: "priority", delaysMs: { ...DELAYS, low: 100 } }), 30_000);
    assert.equal(fillPaceMs({ kind: "realtime" }), 30_000);
    assert.equal(fillPaceMs({ kind: "interval", interval: "per-op" }), 30_000);
    assert.equal(fillPaceMs({ kind: "interval", interval: "1h" }), 3_600_000);
    assert.equal(fillPaceMs({ kind: "batch", maxEvents: 10, maxDelayMs: 60_000 }), 60_000);
  });

  test("are due that long after the first row, whatever comes later, and not without rows", () => {
    let nowMs = 1000;
    const seals = new FillSeals({ kind: "priority", delaysMs: DELAYS }, () => nowMs);
    assert.equal(seals.dueInMs(), Number.POSITIVE_INFINITY);
    seals.wrote(520);
    nowMs += 20_000;
    seals.wrote(520);
    assert.equal(seals.dueInMs(), 10_000);
    nowMs += 20_000;
    assert.equal(seals.dueInMs(), 0);
    seals.sealed();
    assert.equal(seals.dueInMs(), Number.POSITIVE_INFINITY);
    seals.wrote(520);
    assert.equal(seals.dueInMs(), 30_000);
  });

  test("are due at once where rows are many, and at the end of a fill", () => {
    const seals = new FillSeals({ kind: "realtime" }, () => 0);
    for (let wrote = 0; wrote < 128; wrote += 1) seals.wrote(1024 * 1024);
    assert.equal(seals.dueInMs(), 0);
    seals.sealed();
    seals.ended();
    assert.equal(seals.dueInMs(), 0);
  });

  test("of a million events are some hundred", () => {
    let nowMs = 0;
    let generations = 0;
    const seals = new FillSeals({ kind: "priority", delaysMs: DELAYS }, () => nowMs);
    // 300 events a second, 1544 bytes a row.
    for (let made = 0; made < 1_000_000; made += 300, nowMs += 1000) {
      seals.wrote(300 * 1544);
      if (seals.dueInMs() > 0) continue;
      seals.sealed();
      generations += 1;
    }
    assert.ok(generations > 50 && generations < 200, `${generations}`);
  });
});
