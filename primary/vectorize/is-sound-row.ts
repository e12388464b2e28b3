// Whether a row that no seal covers can be kept at the start: a power cut can leave zeros where a row should be, and such
// a row is too short a vector. A row that was stored whole must never be taken for one.
import type { Space } from "../../shared/format/space.js";
import type { VectorRow } from "../../shared/format/vector-row.js";

/** How far from 1 an embedder's own lengths are, in singles. */
const LENGTH_ERROR = 5e-4;
/** Halves are off by 2^-11 of their value at the most, and below the normal ones by 2^-25. */
const HALF_ERROR = 2 ** -11;
const SUBNORMAL_ERROR = 2 ** -25;

export function isSoundRow({ vector }: VectorRow, space: Space): boolean {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!Number.isFinite(squares)) return false;
  return !space.normalised || Math.abs(Math.sqrt(squares) - 1) < LENGTH_ERROR + roundingOf(vector, space);
}

/** The most by which rounding to the space's dtype can have changed the length of what is now `vector`. */
function roundingOf(vector: Float32Array, { dtype }: Space): number {
  const spread = Math.sqrt(vector.length);
  if (dtype === "f32") return 0;
  if (dtype === "f16") return 1.001 * HALF_ERROR + SUBNORMAL_ERROR * spread;
  let largest = 0;
  for (const value of vector) largest = Math.max(largest, Math.abs(value));
  // Each value is off by half a step at the most, and the largest is 127 steps.
  return (largest / 127 / 2) * spread * 1.001;
}
