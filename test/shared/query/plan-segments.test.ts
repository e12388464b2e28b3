import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_SEGMENT_ROWS, planSegments, type RowRange, uncovered } from "../../../shared/query/plan-segments.js";

const limits = { dimensions: 100, processes: 2, tailFloats: 100_000 };

test("few newest rows wait", () => {
  assert.deepEqual(planSegments([], 1000, limits), []);
});

test("a first build is shared out evenly over the processes, with no segment too large", () => {
  assert.deepEqual(planSegments([], 100_000, limits), [
    { first: 0, rows: 50_000 },
    { first: 50_000, rows: 50_000 },
  ]);
  const plan = planSegments([], 500_001, limits);
  assert.equal(plan.length, 4);
  assert.ok(plan.every(({ rows }) => rows <= MOST_SEGMENT_ROWS));
  assert.deepEqual(uncovered(plan, 500_001), []);
});

test("a hole that a damaged segment left is filled, however small", () => {
  const covered = [
    { first: 0, rows: 10 },
    { first: 30, rows: 10 },
  ];
  assert.deepEqual(planSegments(covered, 45, limits), [{ first: 10, rows: 20 }]);
});

test("growth leaves few segments, sizes at least halving, every row in one of them or waiting", () => {
  let segments: RowRange[] = [];
  for (let rows = 0; rows <= 400_000; rows += 300) {
    for (const made of planSegments(segments, rows, limits)) {
      segments = segments.filter(({ first }) => first < made.first || first >= made.first + made.rows);
      segments = [...segments, made].sort((a, b) => a.first - b.first);
    }
    assert.ok(uncovered(segments, rows).reduce((sum, range) => sum + range.rows, 0) <= 1000);
    assert.ok(segments.every((one) => one.rows <= MOST_SEGMENT_ROWS));
    const small = segments.filter((one) => one.rows * 2 <= MOST_SEGMENT_ROWS);
    assert.ok(small.length <= 10, `${small.length} small segments at ${rows} rows`);
  }
});
