// Vectors at length 1: what models' are stored as, and what nearness is measured between. Sums are doubles, so that a
// stored vector has the same bytes wherever it is made. Pure.

/** `vector` at length 1. Of one without a length NaN: nobody may store it, and nothing is near it. */
export function toUnit(vector: Float32Array | Float64Array): Float32Array {
  const length = Math.sqrt(squaresOf(vector, 0, vector.length));
  const unit = new Float32Array(vector.length);
  for (let i = 0; i < vector.length; i += 1) unit[i] = (vector[i] as number) / length;
  return unit;
}

/** Brings the vector that begins at `at` to length 1, in its place. One without a length stays as it is. */
export function scaleToUnit(floats: Float32Array, at: number, dimensions: number): void {
  const factor = 1 / Math.sqrt(squaresOf(floats, at, dimensions));
  if (!Number.isFinite(factor)) return;
  for (let i = at; i < at + dimensions; i += 1) floats[i] = (floats[i] as number) * factor;
}

/** The sum of the squares of the values from `at` on. */
export function squaresOf(values: Float32Array | Float64Array, at: number, dimensions: number): number {
  let sum = 0;
  for (let i = at; i < at + dimensions; i += 1) sum += (values[i] as number) ** 2;
  return sum;
}
