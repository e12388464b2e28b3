// Weighted reciprocal rank fusion: score = Σ weight / (60 + rank) over the legs that found the event, ranks from 1.
//
// Words lead. The text leg has weight 1 and the vector leg one so small that an event which only the vectors found never
// stands above one that the words found: the best vector-only score is w / 61, the worst text score 1 / (60 + depth) with
// `depth` hits a leg at most, so w = 0.9 × 61 / (60 + depth) keeps the first below the second. At depth 100 that is 0.34.
// Within the events that the words found, the vectors still reorder: that is what the leg is for.

export const RANK_OFFSET = 60;

export interface LegHit {
  seq: number;
  score: number;
}

/** Rank (from 1) and score of an event in one leg. */
export interface LegPlace {
  rank: number;
  score: number;
}

export interface FusedHit {
  seq: number;
  score: number;
  text?: LegPlace;
  vector?: LegPlace;
}

/** Weight of the vector leg when each leg holds at most `depth` hits. */
export function vectorWeight(depth: number): number {
  return (0.9 * (RANK_OFFSET + 1)) / (RANK_OFFSET + depth);
}

/** Both legs best first, `depth` hits at most each. Equal scores: the later event first. */
export function fuse(text: readonly LegHit[], vector: readonly LegHit[], depth: number): FusedHit[] {
  const fused = new Map<number, FusedHit>();
  const add = (leg: "text" | "vector", hits: readonly LegHit[], weight: number) => {
    for (const [i, { seq, score }] of hits.slice(0, depth).entries()) {
      const hit = fused.get(seq) ?? { seq, score: 0 };
      hit[leg] = { rank: i + 1, score };
      hit.score += weight / (RANK_OFFSET + i + 1);
      fused.set(seq, hit);
    }
  };
  add("text", text, 1);
  add("vector", vector, vectorWeight(depth));
  return [...fused.values()].sort((a, b) => b.score - a.score || b.seq - a.seq);
}
