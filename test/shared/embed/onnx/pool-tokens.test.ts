import assert from "node:assert/strict";
import { test } from "node:test";
import { poolTokens } from "../../../../shared/embed/onnx/pool-tokens.js";

test("a vector is the mean of its tokens, of length 1, and padding does not count", () => {
  const text = [3, 0, 0, 4, 900, 900];
  const other = [5, 0, 7, 0, -6, 0];
  const data = Float32Array.from([...text, ...other]);
  const [first, second] = poolTokens({ data, width: 3, dimensions: 2 }, [2, 3]);
  assert.deepEqual([...(first ?? [])], [Math.fround(0.6), Math.fround(0.8)]);
  assert.deepEqual([...(second ?? [])], [1, 0]);
});

test("tokens that cancel out, and what is not a number, give no finite vector", () => {
  const pool = (...data: number[]) => [
    ...(poolTokens({ data: Float32Array.from(data), width: 2, dimensions: 1 }, [2])[0] ?? []),
  ];
  assert.deepEqual(pool(1, -1), [Number.NaN]);
  assert.deepEqual(pool(1, Number.NaN), [Number.NaN]);
  assert.deepEqual(pool(1, Number.POSITIVE_INFINITY), [Number.NaN]);
});
