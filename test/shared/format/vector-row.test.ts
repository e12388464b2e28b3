import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatRows,
  formatSpace,
  isSpaceName,
  parseRows,
  parseSpace,
  rowBytes,
  type Space,
  spaceName,
} from "../../../shared/format/vector-row.js";
import { readVectors } from "../../support/read-vectors.js";

const vectors = readVectors<{
  dimensions: number;
  rows: { seq: number; vector: number[]; hex: string }[];
  space: Space;
  space_line: string;
  space_name: string;
}>("vector-row");
const { dimensions } = vectors;
const rows = vectors.rows.map(({ seq, vector }) => ({ seq, vector: Float32Array.from(vector) }));
const bytes = Buffer.from(vectors.rows.map(({ hex }) => hex).join(""), "hex");

test("rows are the frozen bytes and are read back", () => {
  assert.deepEqual(formatRows(rows, dimensions), bytes);
  assert.deepEqual([...parseRows(bytes, dimensions)], rows);
  assert.equal(bytes.length, rows.length * rowBytes(dimensions));
});

test("rows are read the same from the middle of a larger buffer", () => {
  const odd = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
  assert.deepEqual([...parseRows(odd, dimensions)], rows);
});

test("a vector that is not finite or of another length is refused", () => {
  for (const vector of [
    [1, 2],
    [1, 2, Number.NaN],
    [1, 2, Number.POSITIVE_INFINITY],
    [1, 2, 3, 4],
  ]) {
    const row = { seq: 0, vector: Float32Array.from(vector) };
    assert.throws(() => formatRows([row], dimensions), { code: "bad-space" }, String(vector));
  }
});

test("a space's file and name are the frozen ones", () => {
  assert.equal(formatSpace(vectors.space), `${vectors.space_line}\n`);
  assert.deepEqual(parseSpace(vectors.space_line), vectors.space);
  assert.equal(spaceName(vectors.space), vectors.space_name);
  assert.equal(isSpaceName(vectors.space_name), true);
});

test("a space file with a field that is wrong is refused by that field's name", () => {
  const wrong = { format: 2, model: "../x", fingerprint: "", dimensions: 0, dtype: "f64", metric: "l2", normalised: 1 };
  for (const [field, value] of Object.entries(wrong)) {
    const text = JSON.stringify({ ...vectors.space, [field]: value });
    assert.throws(() => parseSpace(text), { code: "bad-space", message: new RegExp(field) }, field);
  }
  for (const text of ["", "null", "1"]) assert.throws(() => parseSpace(text), { code: "bad-space" }, text);
  for (const name of ["", "..", ".hidden", "A", "a/b", "x".repeat(65)]) assert.equal(isSpaceName(name), false, name);
});
