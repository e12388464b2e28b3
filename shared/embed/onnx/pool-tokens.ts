// A text's vector from those of its tokens: their mean, padding left out, scaled to length 1. Pure.
import { toUnit } from "../unit-vector.js";

export interface TokenVectors {
  /** Text by text, token by token: texts × width × dimensions. */
  data: Float32Array;
  /** Tokens a text has room for, padding included. */
  width: number;
  dimensions: number;
}

/** One vector for each of `lengths`, which are tokens without padding. NaN where the tokens' are, or cancel out. */
export function poolTokens({ data, width, dimensions }: TokenVectors, lengths: readonly number[]): Float32Array[] {
  return lengths.map((length, text) => {
    const from = text * width * dimensions;
    // The sum has the mean's direction: dividing by the number of tokens is part of the scaling.
    return toUnit(sumRows(data.subarray(from, from + length * dimensions), dimensions));
  });
}

function sumRows(rows: Float32Array, dimensions: number): Float64Array {
  const sum = new Float64Array(dimensions);
  for (let at = 0; at < rows.length; at += dimensions) {
    for (let k = 0; k < dimensions; k += 1) sum[k] = (sum[k] as number) + (rows[at + k] as number);
  }
  return sum;
}
