// A text's vector from those of its tokens: their mean, padding left out, scaled to length 1. Pure.

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
    const mean = new Float64Array(dimensions);
    for (let token = 0; token < length; token += 1) {
      const at = (text * width + token) * dimensions;
      for (let k = 0; k < dimensions; k += 1) mean[k] = (mean[k] as number) + (data[at + k] as number);
    }
    // The division by the number of tokens is part of the scaling.
    let squares = 0;
    for (const value of mean) squares += value * value;
    const length2 = Math.sqrt(squares);
    return Float32Array.from(mean, (value) => value / length2);
  });
}
