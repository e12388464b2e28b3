// The numbers of a made model, the same for the same seed on every machine: a vector for each token, near to those of
// its synonyms, and one matrix.
import { FILLERS, SYNONYMS } from "./vocabulary.js";

export interface Parameters {
  dimensions: number;
  /** Row by row, a row for each token. */
  words: Float32Array;
  /** Two rows; undefined in a model that has no token types. */
  types: Float32Array | undefined;
  /** Dimensions × dimensions, row by row. */
  projection: Float32Array;
}

export interface Sizes {
  dimensions: number;
  tokenTypes: boolean;
  seed: number;
}

/** How far a word is from the middle of its synonyms, for a middle of length 1. */
const WITHIN = 0.35;
const FILLER_WEIGHT = 0.05;
const LETTER_WEIGHT = 0.3;

export function makeParameters(tokens: readonly string[], { dimensions, tokenTypes, seed }: Sizes): Parameters {
  const random = gaussian(seed);
  const draw = (rows: number, scale: number) =>
    Float32Array.from({ length: rows * dimensions }, () => random() * scale);
  const middles = SYNONYMS.map(() => draw(1, 0.5));
  const groupOf = new Map(SYNONYMS.flatMap((group, i) => group.map((word) => [word, i] as const)));
  const words = new Float32Array(tokens.length * dimensions);
  tokens.forEach((token, i) => {
    const word = token.replace(/^##/, "");
    const middle = middles[groupOf.get(word) ?? -1];
    const own = draw(1, 0.5 * (middle ? WITHIN : weightOf(word)));
    words.set(middle ? own.map((value, k) => value + (middle[k] as number)) : own, i * dimensions);
  });
  const types = tokenTypes ? draw(2, 0.5 * FILLER_WEIGHT) : undefined;
  return { dimensions, words, types, projection: draw(dimensions, 1 / Math.sqrt(dimensions)) };
}

/** Letters, signs and the special tokens are known, and mean little. */
function weightOf(word: string): number {
  return FILLERS.includes(word) || !/^[a-z0-9]$/.test(word) ? FILLER_WEIGHT : LETTER_WEIGHT;
}

/** Normally distributed numbers: mulberry32, then Box and Muller's transform. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
