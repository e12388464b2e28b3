import assert from "node:assert/strict";
import { test } from "node:test";
import { bitsOf, burstBits, smoothedShare } from "../../../shared/query/surprise.js";

/** −log2 of the sum of the terms themselves, from `count` up; only for sums that do not underflow. */
function summedBits(count: number, expected: number): number {
  let sum = 0;
  for (let k = count; k < count + 2000; k += 1) {
    let log = -expected;
    for (let i = 1; i <= k; i += 1) log += Math.log(expected / i);
    sum += Math.exp(log);
  }
  return -Math.log2(sum);
}

test("a share is smoothed by half a time, and what was never seen is rarer the more there was to see", () => {
  assert.equal(smoothedShare(0, 0), 0.5);
  assert.equal(smoothedShare(0, 31), 1 / 64);
  assert.equal(bitsOf(smoothedShare(0, 1023)), 11);
  assert.equal(bitsOf(smoothedShare(1, 1)), -Math.log2(0.75));
});

test("the bits of a burst are those of the sum of the Poisson terms", () => {
  for (const [count, expected] of [
    [1, 0.01],
    [2, 0.5],
    [10, 1],
    [19, 6.5],
    [20, 6.5],
    [21, 6.5],
    [60, 30],
    [150, 120],
  ] as const) {
    const wanted = summedBits(count, expected);
    assert.ok(Math.abs(burstBits(count, expected) - wanted) < 1e-9 * wanted, `${count} where ${expected} are expected`);
  }
  assert.ok(Math.abs(burstBits(1, 0.01) - -Math.log2(1 - Math.exp(-0.01))) < 1e-9);
});

test("a burst beyond all floating-point probabilities still has its bits, and no more than expected has none", () => {
  const bits = burstBits(1_000_000, 10);
  // ln P is n ln λ − λ − ln n! but for the sum, which is nearly 1; ln n! by its first terms is exact to 1e-7 here.
  const wanted = (10 + 1e6 * Math.log(1e6) - 1e6 + 0.5 * Math.log(2 * Math.PI * 1e6) - 1e6 * Math.log(10)) / Math.LN2;
  assert.ok(Math.abs(bits - wanted) < 1e-3, `${bits}`);
  assert.equal(burstBits(10, 10), 0);
  assert.equal(burstBits(0, 0.5), 0);
});
