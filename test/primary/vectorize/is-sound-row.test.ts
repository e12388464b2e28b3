import assert from "node:assert/strict";
import { test } from "node:test";
import { isSoundRow } from "../../../primary/vectorize/is-sound-row.js";
import { DTYPES, type Dtype } from "../../../shared/format/row-values.js";
import { modelSpace } from "../../../shared/format/space.js";
import { formatRows, parseRows, type VectorRow } from "../../../shared/format/vector-row.js";
import { seededRandom, testRecipe, unitVector } from "../../support/build-store.js";

function spaceOf(dimensions: number, dtype: Dtype) {
  return modelSpace({ name: "test", recipe: testRecipe(), dimensions }, dtype);
}

/** What a start finds where `vector` was stored, from byte `zeroFrom` of the row on only zeros. */
function stored(vector: Float32Array, dtype: Dtype, zeroFrom = Number.POSITIVE_INFINITY): VectorRow {
  const space = spaceOf(vector.length, dtype);
  const bytes = formatRows([{ seq: 5, vector }], space);
  const [row] = [...parseRows(bytes.fill(0, Math.min(zeroFrom, bytes.length)), space)];
  return row as VectorRow;
}

test("a vector of length 1 is sound in every dtype, however it is spread over its dimensions", () => {
  const random = seededRandom(11);
  for (const dtype of DTYPES) {
    for (const dimensions of [1, 3, 384, 768, 4096]) {
      const spread = [0, 0.001, 0.5, 1, 5, 20].map((power) =>
        unitVector(Float32Array.from({ length: dimensions }, () => (random() - 0.5) * random() ** power)),
      );
      // One great value, and all others in the middle between two steps of int8: the worst that rounding can do.
      const worst = unitVector(Float32Array.from({ length: dimensions }, (_, i) => (i === 0 ? 127 : 0.5)));
      for (const vector of [...spread, worst]) {
        assert.ok(isSoundRow(stored(vector, dtype), spaceOf(dimensions, dtype)), `${dtype} ${dimensions}`);
      }
    }
  }
});

test("a row that is zeros, or zeros from its middle on, is not sound", () => {
  const random = seededRandom(12);
  for (const dtype of DTYPES) {
    for (const dimensions of [64, 384, 768]) {
      const vector = unitVector(Float32Array.from({ length: dimensions }, () => random() - 0.5));
      const space = spaceOf(dimensions, dtype);
      for (const zeroFrom of [0, 8, 12, Math.floor((8 + 8 + dimensions) / 2)]) {
        assert.equal(isSoundRow(stored(vector, dtype, zeroFrom), space), false, `${dtype} ${dimensions} ${zeroFrom}`);
      }
    }
  }
});

test("a row with a value that is no number is not sound", () => {
  for (const dtype of ["f32", "f16"] as const) {
    const vector = Float32Array.of(1, 0, 0, 0);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const row = { seq: 1, vector: vector.with(1, value) };
      assert.equal(isSoundRow(row, spaceOf(4, dtype)), false, `${dtype} ${value}`);
    }
  }
});
