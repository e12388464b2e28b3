import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOnGrid, SEAL_INTERVALS } from "../../../primary/seal/seal-interval.js";

const NOW = "2026-11-21T16:07:31.250Z";

/** Of that Saturday, the next moment of each grid. */
const NEXT = {
  "1min": "2026-11-21T16:08:00.000Z",
  "5min": "2026-11-21T16:10:00.000Z",
  "15min": "2026-11-21T16:15:00.000Z",
  "30min": "2026-11-21T16:30:00.000Z",
  "1h": "2026-11-21T17:00:00.000Z",
  "1d": "2026-11-22T00:00:00.000Z",
  "1w": "2026-11-23T00:00:00.000Z",
} as const;

test("each interval ends on the grid of UTC: quarters of an hour, midnights, the midnight before Monday", () => {
  const gridded = SEAL_INTERVALS.filter((interval) => interval !== "per-op");
  assert.deepEqual(Object.keys(NEXT), gridded);
  for (const interval of gridded) {
    assert.equal(new Date(nextOnGrid(interval, Date.parse(NOW))).toISOString(), NEXT[interval], interval);
  }
});

test("a moment of the grid belongs to the interval that begins with it", () => {
  const monday = Date.parse("2026-11-23T00:00:00Z");
  assert.equal(nextOnGrid("1w", monday), Date.parse("2026-11-30T00:00:00Z"));
  assert.equal(nextOnGrid("1w", monday - 1), monday);
  assert.equal(nextOnGrid("15min", monday), monday + 900_000);
});

test("the grid is right before 1970 and over the end of a year", () => {
  assert.equal(nextOnGrid("1w", Date.parse("1969-12-30T00:00:00Z")), Date.parse("1970-01-05T00:00:00Z"));
  assert.equal(nextOnGrid("1d", Date.parse("2026-12-31T23:59:59.999Z")), Date.parse("2027-01-01T00:00:00Z"));
});
