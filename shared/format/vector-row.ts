// A space (one embedding model's vectors) and its rows: sequence number as 64-bit little-endian, then `dimensions`
// 32-bit little-endian floats. Rows stand in the order in which they were made; the row says which event it is of.
import { canonicalise } from "./canonical-json.js";
import { FormatError } from "./format-error.js";

/** `space.json`. The folder is named `<model>-<first 12 digits of fingerprint>`. */
export interface Space {
  format: 1;
  model: string;
  /** SHA-256 over everything that changes the vectors, 64 hex digits: never mix rows of two fingerprints. */
  fingerprint: string;
  dimensions: number;
  dtype: "f32";
  metric: "cosine";
  /** Whether every row has length 1, so that the inner product is the cosine. */
  normalised: boolean;
}

export interface VectorRow {
  seq: number;
  vector: Float32Array;
}

const SEQ_BYTES = 8;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const SPACE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export function spaceName(space: Space): string {
  return `${space.model}-${space.fingerprint.slice(0, 12)}`;
}

/** Whether `name` may be the name of a space's folder. `vector/generation` is a file, and anything else there not ours. */
export function isSpaceName(name: string): boolean {
  return SPACE_NAME.test(name) && name !== "generation";
}

export function formatSpace(space: Space): string {
  return `${canonicalise({ ...space })}\n`;
}

/** @throws FormatError `bad-space`, naming the field */
export function parseSpace(text: string): Space {
  let space: Space;
  try {
    space = JSON.parse(text) as Space;
  } catch (cause) {
    throw new FormatError("bad-space", "space.json is not JSON", { cause });
  }
  const checks: [keyof Space, boolean][] = [
    ["format", space?.format === 1],
    ["model", typeof space?.model === "string" && SPACE_NAME.test(space.model)],
    ["fingerprint", typeof space?.fingerprint === "string" && /^[0-9a-f]{64}$/.test(space.fingerprint)],
    ["dimensions", Number.isInteger(space?.dimensions) && space.dimensions > 0 && space.dimensions <= 4096],
    ["dtype", space?.dtype === "f32"],
    ["metric", space?.metric === "cosine"],
    ["normalised", typeof space?.normalised === "boolean"],
  ];
  const bad = checks.find(([, good]) => !good)?.[0];
  if (bad) throw new FormatError("bad-space", `space.json's ${bad} is ${JSON.stringify(space?.[bad]) ?? "missing"}`);
  return space;
}

/** Bytes of one row of a space with `dimensions` dimensions. */
export function rowBytes(dimensions: number): number {
  return SEQ_BYTES + 4 * dimensions;
}

/** Rows as stored, `rows.length × rowBytes(dimensions)` bytes. @throws FormatError `bad-space` for a value that is not finite */
export function formatRows(rows: readonly VectorRow[], dimensions: number): Buffer {
  const bytes = Buffer.allocUnsafe(rows.length * rowBytes(dimensions));
  let at = 0;
  for (const { seq, vector } of rows) {
    if (vector.length !== dimensions || !vector.every(Number.isFinite)) {
      throw new FormatError("bad-space", `the vector of event ${seq} is not ${dimensions} finite numbers`);
    }
    at = bytes.writeBigUInt64LE(BigInt(seq), at);
    for (const value of vector) at = bytes.writeFloatLE(value, at);
  }
  return bytes;
}

/** Rows in `bytes`, whose length is a multiple of `rowBytes(dimensions)`. */
export function* parseRows(bytes: Buffer, dimensions: number): Generator<VectorRow> {
  const width = rowBytes(dimensions);
  for (let at = 0; at + width <= bytes.length; at += width) yield parseRow(bytes, at, dimensions);
}

function parseRow(bytes: Buffer, at: number, dimensions: number): VectorRow {
  const seq = Number(bytes.readBigUInt64LE(at));
  const vector = new Float32Array(dimensions);
  if (LITTLE_ENDIAN) {
    bytes.copy(new Uint8Array(vector.buffer), 0, at + SEQ_BYTES, at + SEQ_BYTES + 4 * dimensions);
  } else {
    for (let i = 0; i < dimensions; i += 1) vector[i] = bytes.readFloatLE(at + SEQ_BYTES + 4 * i);
  }
  return { seq, vector };
}
