// How the values of a vector stand in a row, by dtype: `f32` as they are, `f16` rounded to half precision, `int8` as a
// scale (single) and whole numbers of it. Little-endian; each is padded with zeros to a multiple of 4 bytes.
import { isFiniteHalf, makeHalfTable, toHalf } from "./half-float.js";

export const DTYPES = ["f32", "f16", "int8"] as const;
export type Dtype = (typeof DTYPES)[number];

/** Bytes read as little-endian 32-bit words, both ways: views of one buffer. */
export interface Words {
  words: Uint32Array;
  floats: Float32Array;
}

export interface ValueFormat {
  /** Bytes of a vector's values, padding included. */
  sizeBytes(dimensions: number): number;
  /** Writes all of them from byte `at` on; false if a value is beyond what the dtype can hold. */
  write(vector: Float32Array, bytes: Buffer, at: number): boolean;
  /** Widens the values that begin at word `from` to `dimensions` singles, from `at` on. */
  read(row: Words, from: number, dimensions: number, into: Float32Array, at: number): void;
}

export const VALUE_FORMATS: Readonly<Record<Dtype, ValueFormat>> = {
  f32: { sizeBytes: (dimensions) => 4 * dimensions, write: writeSingles, read: readSingles },
  f16: { sizeBytes: (dimensions) => 4 * Math.ceil(dimensions / 2), write: writeHalves, read: readHalves },
  int8: { sizeBytes: (dimensions) => 4 + 4 * Math.ceil(dimensions / 4), write: writeScaled, read: readScaled },
};

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const LARGEST_STEP = 127;

/** `bytes`, whose length is a multiple of 4, as words. They are swapped in place where the machine is big-endian. */
export function wordsOf(bytes: Uint8Array<ArrayBuffer>): Words {
  const { buffer, byteOffset, length } = bytes;
  // Swapped by words, singles and words read right; halves and bytes are taken out of words by shifts, on any machine.
  if (!LITTLE_ENDIAN) Buffer.from(buffer, byteOffset, length).swap32();
  return {
    words: new Uint32Array(buffer, byteOffset, length / 4),
    floats: new Float32Array(buffer, byteOffset, length / 4),
  };
}

function writeSingles(vector: Float32Array, bytes: Buffer, at: number): boolean {
  if (LITTLE_ENDIAN) bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), at);
  else for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, at + 4 * i);
  return true;
}

function readSingles({ floats }: Words, from: number, dimensions: number, into: Float32Array, at: number): void {
  into.set(floats.subarray(from, from + dimensions), at);
}

function writeHalves(vector: Float32Array, bytes: Buffer, at: number): boolean {
  const bits = new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
  let fits = true;
  for (let i = 0; i < vector.length; i += 1) {
    const half = toHalf(bits[i] as number, vector[i] as number);
    fits &&= isFiniteHalf(half);
    bytes[at + 2 * i] = half & 0xff;
    bytes[at + 2 * i + 1] = half >>> 8;
  }
  if (vector.length % 2 === 1) bytes.writeUInt16LE(0, at + 2 * vector.length);
  return fits;
}

let halfTable: Float32Array | undefined;

function readHalves({ words }: Words, from: number, dimensions: number, into: Float32Array, at: number): void {
  halfTable ??= makeHalfTable();
  const values = halfTable;
  const whole = dimensions >>> 1;
  let to = at;
  for (let i = from; i < from + whole; i += 1) {
    const two = words[i] as number;
    into[to] = values[two & 0xffff] as number;
    into[to + 1] = values[two >>> 16] as number;
    to += 2;
  }
  if (dimensions % 2 === 1) into[to] = values[(words[from + whole] as number) & 0xffff] as number;
}

/** The scale is the largest magnitude / 127, as a single; whole numbers are rounded to nearest, ties away from zero. */
function writeScaled(vector: Float32Array, bytes: Buffer, at: number): boolean {
  let largest = 0;
  for (let i = 0; i < vector.length; i += 1) largest = Math.max(largest, Math.abs(vector[i] as number));
  const scale = Math.fround(largest / LARGEST_STEP);
  bytes.writeFloatLE(scale, at);
  bytes.fill(0, at + 4, at + VALUE_FORMATS.int8.sizeBytes(vector.length));
  // A single below the normal ones may be 0, and is so coarse a scale that 127 of it can be less than the largest.
  if (scale > 0) for (let i = 0; i < vector.length; i += 1) bytes[at + 4 + i] = stepsOf((vector[i] as number) / scale);
  return Number.isFinite(Math.fround(scale * LARGEST_STEP));
}

/** As a byte in two's complement. */
function stepsOf(quotient: number): number {
  const steps = Math.min(LARGEST_STEP, Math.floor(Math.abs(quotient) + 0.5));
  return (quotient < 0 ? -steps : steps) & 0xff;
}

function readScaled({ words, floats }: Words, from: number, dimensions: number, into: Float32Array, at: number): void {
  const scale = floats[from] as number;
  for (let i = 0; i < dimensions; i += 1) {
    const four = words[from + 1 + (i >>> 2)] as number;
    into[at + i] = ((four << (24 - 8 * (i & 3))) >> 24) * scale;
  }
}
