import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedCounts } from "../../../shared/metrics/bounded-counts.js";

test("counts under names that clients make up do not grow without a bound, and none is lost", () => {
  const counts = new BoundedCounts(2);
  counts.add("socket", "low");
  counts.add("packages", "low", 2);
  for (let i = 0; i < 1000; i += 1) counts.add(`made-up-${i}`, i % 2 === 0 ? "low" : "high");
  counts.add("socket", "critical");
  counts.add("socket", "low");
  assert.deepEqual(
    [...counts.pairs()].map(({ first, second, count }) => [first, second, count]),
    [
      ["socket", "low", 2],
      ["socket", "critical", 1],
      ["packages", "low", 2],
      ["other", "low", 500],
      ["other", "high", 500],
    ],
  );
});
