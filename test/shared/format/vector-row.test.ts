import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelSpace, Space } from "../../../shared/format/space.js";
import { formatRows, parseRows, type RowShape, rowBytes } from "../../../shared/format/vector-row.js";
import { readVectors } from "../../support/read-vectors.js";

interface FrozenRow {
  seq: number;
  vector: number[];
  hex: string;
  /** What is read back, where it is not what was written. */
  widened?: number[];
}
const first = readVectors<{ space: Space; rows: FrozenRow[] }>("vector-row");
const { spaces } = readVectors<{ spaces: { space: ModelSpace; rows: FrozenRow[] }[] }>("vector-row-2");
const all = [first, ...spaces].map(({ space, rows }) => ({
  space,
  written: rows.map(({ seq, vector }) => ({ seq, vector: Float32Array.from(vector) })),
  read: rows.map(({ seq, vector, widened }) => ({ seq, vector: Float32Array.from(widened ?? vector) })),
  bytes: Buffer.from(rows.map(({ hex }) => hex).join(""), "hex"),
}));

test("rows are the frozen bytes and are read back", () => {
  for (const { space, written, read, bytes } of all) {
    assert.deepEqual(formatRows(written, space), bytes, space.dtype);
    assert.deepEqual([...parseRows(bytes, space)], read, space.dtype);
    assert.equal(bytes.length, written.length * rowBytes(space));
  }
});

test("rows are read the same from the middle of a larger buffer", () => {
  for (const { space, read, bytes } of all) {
    const odd = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
    assert.deepEqual([...parseRows(odd, space)], read);
  }
});

test("rows of any number of dimensions are whole words long, and what was stored is stored again the same", () => {
  for (const dtype of ["f32", "f16", "int8"] as const) {
    for (let dimensions = 1; dimensions <= 9; dimensions += 1) {
      const shape: RowShape = { dimensions, dtype };
      assert.equal(rowBytes(shape) % 4, 0);
      const rows = [5, 6].map((seq) => ({ seq, vector: Float32Array.from({ length: dimensions }, (_, i) => seq - i) }));
      const bytes = formatRows(rows, shape);
      assert.deepEqual(formatRows([...parseRows(bytes, shape)], shape), bytes, `${dtype} ${dimensions}`);
    }
  }
});

test("a vector that is not finite or of another length is refused, naming its event", () => {
  for (const vector of [
    [1, 2],
    [1, 2, Number.NaN],
    [1, 2, Number.POSITIVE_INFINITY],
    [1, 2, 3, 4],
  ]) {
    for (const dtype of ["f32", "f16", "int8"] as const) {
      const row = { seq: 77, vector: Float32Array.from(vector) };
      const error = { code: "bad-vector", message: /event 77/ };
      assert.throws(() => formatRows([row], { dimensions: 3, dtype }), error, `${dtype} ${vector}`);
    }
  }
});

test("a finite value that would be read back as an infinity is refused", () => {
  const beyond = { f16: 65520, int8: 3.4028234663852886e38 };
  for (const [dtype, value] of Object.entries(beyond) as ["f16" | "int8", number][]) {
    for (const sign of [1, -1]) {
      const row = { seq: 0, vector: Float32Array.of(0, sign * value) };
      assert.throws(() => formatRows([row], { dimensions: 2, dtype }), { code: "bad-vector", message: /cannot hold/ });
    }
  }
});

test("a vector whose scale is too small for a single stays finite", () => {
  for (const magnitude of [2 ** -149, 178 * 2 ** -149, 2 ** -140]) {
    const vector = Float32Array.of(magnitude, -magnitude, 0);
    const shape: RowShape = { dimensions: 3, dtype: "int8" };
    const [row] = [...parseRows(formatRows([{ seq: 0, vector }], shape), shape)];
    assert.ok(
      row?.vector.every((value) => Math.abs(value) <= magnitude),
      String(magnitude),
    );
  }
});
