import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, meanOf } from "./judge-ranking.js";

test("right answers count among the first ten only", () => {
  const ranking = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 100];
  assert.deepEqual(judge(ranking, new Set([100])), { precision: 0, gain: 0 });
  assert.equal(judge(ranking, new Set([9, 0, 100])).precision, 2 / 3);
});

test("a ranking is measured against as many right answers as there are", () => {
  assert.deepEqual(judge([1, 2], new Set([1, 2])), { precision: 1, gain: 1 });
  const hundred = new Set(Array.from({ length: 100 }, (_, i) => i));
  assert.deepEqual(judge([...hundred].slice(0, 10), hundred), { precision: 1, gain: 1 });
});

test("a right answer further up is worth more gain, and the same precision", () => {
  const [early, late] = [judge([1, 5, 6], new Set([1])), judge([5, 6, 1], new Set([1]))];
  assert.deepEqual([early.precision, early.gain], [1, 1]);
  assert.deepEqual([late.precision, late.gain], [1, 1 / Math.log2(4)]);
});

test("a mean is over what was judged", () => {
  assert.deepEqual(meanOf([judge([1], new Set([1])), judge([2], new Set([1]))]), { precision: 0.5, gain: 0.5 });
});
