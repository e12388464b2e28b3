// The order of what a search found, where a model's vectors answer the question. Scores are added, not ranks: a cosine says
// how much nearer one event is than the next, a rank does not. Pure.
//
//   score = cosine + 0.02 × words + names
//
// `cosine` is of the question with the event. `words` is the event's BM25 as a share of the best one; what it adds is no
// more than the noise of a model whose weights have 8 bits (its cosines with the exact model are 0.98 and more). So words
// decide between events that the vectors cannot tell apart (events that say the same have equal cosines, whatever their
// addresses and numbers), and never outweigh a difference in meaning. `names` is the share of the question's names that the
// event holds: no two cosines of real texts differ by as much, so events with the names come first, and the others follow.
import type { LegPlace } from "../fuse.js";
import type { RankedHit, VectorPlace } from "./inquire.js";

export const WORDS_WEIGHT = 0.02;
export const NAMES_WEIGHT = 1;

/** What the legs know of one event. */
export interface Found {
  seq: number;
  /** Where the text leg found it. */
  text?: LegPlace;
  /** Larger is better; 0 if it holds none of the words. */
  bm25: number;
  /** Where the vector leg found it. */
  vector?: VectorPlace;
  cosine?: number;
  /** Share of the question's names that it holds, 0 to 1. */
  named: number;
}

/**
 * Best first; of equals the later event. `perfectBm25` is that of an event that says nothing but the question: an event
 * without a cosine is taken to be as near as the nearest, by the share of the question that it holds.
 */
export function weighHits(found: readonly Found[], perfectBm25: number): RankedHit[] {
  const bestBm25 = greatest(found.map(({ bm25 }) => bm25)) || 1;
  const nearest = greatest(found.map(({ cosine = 0 }) => cosine));
  const hits = found.map(({ seq, text, vector, bm25, cosine, named }): RankedHit => {
    const parts = {
      vector: cosine ?? Math.min(1, bm25 / perfectBm25) * nearest,
      words: WORDS_WEIGHT * (bm25 / bestBm25),
      names: NAMES_WEIGHT * named,
    };
    const score = parts.vector + parts.words + parts.names;
    return { seq, score, ...(text ? { text } : {}), ...(vector ? { vector } : {}), parts };
  });
  return hits.sort((a, b) => b.score - a.score || b.seq - a.seq);
}

function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
