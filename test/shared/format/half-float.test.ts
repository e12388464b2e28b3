import assert from "node:assert/strict";
import { test } from "node:test";
import { isFiniteHalf, makeHalfTable, toHalf as toHalfBits } from "../../../shared/format/half-float.js";

const table = makeHalfTable();
const HALVES = 0x10000;

function toHalf(value: number): number {
  const single = Float32Array.of(value);
  return toHalfBits(new Uint32Array(single.buffer)[0] as number, value);
}

test("every half comes back as the same bits, so no two are the same number", () => {
  for (let half = 0; half < HALVES; half += 1) {
    const value = table[half] as number;
    assert.equal(isFiniteHalf(half), Number.isFinite(value));
    if (Number.isNaN(value)) assert.ok(Number.isNaN(table[toHalf(value)]));
    else assert.equal(toHalf(value), half);
  }
});

test("halves rise with their bits, by steps that IEEE 754 gives them", () => {
  for (let half = 1; half <= 0x7c00; half += 1) assert.ok((table[half] as number) > (table[half - 1] as number));
  assert.deepEqual([table[1], table[0x3ff], table[0x400]], [2 ** -24, 1023 * 2 ** -24, 2 ** -14]);
  assert.deepEqual([table[0x3c00], table[0x7bff], table[0xfc00]], [1, 65504, Number.NEGATIVE_INFINITY]);
});

test("what lies between two halves goes to the nearer, and from the middle to the even one", () => {
  for (let half = 0; half < 0x7bff; half += 1) {
    const [below, above] = [table[half] as number, table[half + 1] as number];
    const middle = (below + above) / 2;
    const step = middle * 2 ** -22;
    for (const sign of [0, 0x8000]) {
      const of = (value: number) => toHalf(sign ? -value : value) - sign;
      assert.equal(of(middle), half % 2 === 0 ? half : half + 1);
      assert.equal(of(Math.fround(middle - step)), half);
      assert.equal(of(Math.fround(middle + step)), half + 1);
    }
  }
});

test("beyond the largest half there is only infinity, from the middle to what would be the next one on", () => {
  assert.equal(toHalf(65519.996), 0x7bff);
  for (const value of [65520, 65536, 3.4e38, Number.POSITIVE_INFINITY]) assert.equal(toHalf(value), 0x7c00);
});
