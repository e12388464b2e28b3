// The rows of a space: sequence number as 64-bit little-endian, then the vector's values in the space's dtype. Rows stand in
// the order in which they were made; the row says which event it is of. A row's length is a multiple of 4 bytes.
import { FormatError } from "./format-error.js";
import { VALUE_FORMATS, type Words, wordsOf } from "./row-values.js";
import type { Space } from "./space.js";

export interface VectorRow {
  seq: number;
  vector: Float32Array;
}

/** What of a space says how long its rows are and how they read. */
export type RowShape = Pick<Space, "dimensions" | "dtype">;

export const SEQ_BYTES = 8;

/** Bytes of one row. */
export function rowBytes({ dimensions, dtype }: RowShape): number {
  return SEQ_BYTES + VALUE_FORMATS[dtype].sizeBytes(dimensions);
}

/** Rows as stored, `rows.length × rowBytes(shape)` bytes. @throws FormatError `bad-vector`, naming the event */
export function formatRows(rows: readonly VectorRow[], shape: RowShape): Buffer {
  const { dimensions, dtype } = shape;
  const width = rowBytes(shape);
  const bytes = Buffer.allocUnsafe(rows.length * width);
  for (const [i, { seq, vector }] of rows.entries()) {
    if (vector.length !== dimensions || !isFiniteVector(vector)) {
      throw new FormatError("bad-vector", `the vector of event ${seq} is not ${dimensions} finite numbers`);
    }
    bytes.writeBigUInt64LE(BigInt(seq), i * width);
    if (!VALUE_FORMATS[dtype].write(vector, bytes, i * width + SEQ_BYTES)) {
      throw new FormatError("bad-vector", `the vector of event ${seq} has a value that ${dtype} cannot hold`);
    }
  }
  return bytes;
}

/** Rows in `bytes`, whose length is a multiple of `rowBytes(shape)`, with their values as stored, only widened. */
export function* parseRows(bytes: Buffer, shape: RowShape): Generator<VectorRow> {
  const width = rowBytes(shape);
  const row = Buffer.from(new ArrayBuffer(width));
  for (let at = 0; at + width <= bytes.length; at += width) {
    bytes.copy(row, 0, at, at + width);
    yield parseRow(wordsOf(row), shape);
  }
}

function parseRow(row: Words, { dimensions, dtype }: RowShape): VectorRow {
  const vector = new Float32Array(dimensions);
  VALUE_FORMATS[dtype].read(row, SEQ_BYTES / 4, dimensions, vector, 0);
  return { seq: seqAt(row, 0), vector };
}

/** The sequence number that begins at word `at`. */
export function seqAt({ words }: Words, at: number): number {
  return (words[at] as number) + (words[at + 1] as number) * 2 ** 32;
}

export function isFiniteVector(vector: Float32Array): boolean {
  // One sum tells: any NaN or infinity in it stays.
  let sum = 0;
  for (let i = 0; i < vector.length; i += 1) sum += (vector[i] as number) * 0;
  return sum === 0;
}
