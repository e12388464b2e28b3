// Which rows of a segment have the same vector. Events that say the same have the very same bytes, and logs say the same
// thousands of times, so a segment's index holds each vector once, and this the other rows that have it.
import { createHash } from "node:crypto";
import type { BestHits, RowHit } from "./nearest-rows.js";

/** Filled in order of labels, once, while a segment is built. */
export class EqualRows {
  /**
   * For each row the one before it that has the same vector, and for the first of them the last: so a walk from the first goes
   * through all of them, the newest first, and ends where it began.
   */
  readonly ring: Uint32Array;
  readonly #firstOf = new Map<string, number>();

  constructor(rows: number) {
    this.ring = Uint32Array.from({ length: rows }, (_, label) => label);
  }

  /** Whether no row before it has this vector. */
  add(label: number, vector: Float32Array): boolean {
    const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
    const digest = createHash("sha256").update(bytes).digest("base64");
    const first = this.#firstOf.get(digest);
    if (first === undefined) {
      this.#firstOf.set(digest, label);
      return true;
    }
    this.ring[label] = this.ring[first] as number;
    this.ring[first] = label;
    return false;
  }
}

/** At most `most` of the rows that have the vector of row `first`, the newest first. */
export function* equalTo(ring: Uint32Array, first: number, most: number): Generator<number> {
  let label = first;
  for (let given = 0; given < most; given += 1) {
    label = ring[label] as number;
    yield label;
    if (label === first) return;
  }
}

/** Rows from `first` on, and the ring of those that are equal. */
export interface RingedRows {
  first: number;
  ring: Uint32Array;
}

/** Offers a segment's hits, best first, each with the newest of the rows that have its vector, until `k` were offered. */
export function offerEquals(
  { first, ring }: RingedRows,
  hits: RowHit[],
  k: number,
  perCosine: number,
  best: BestHits,
): void {
  let left = k;
  for (const { position, cosine } of hits.sort((a, b) => b.cosine - a.cosine)) {
    for (const label of equalTo(ring, position - first, Math.min(left, perCosine))) {
      best.offer(first + label, cosine);
      left -= 1;
    }
    if (left <= 0) return;
  }
}

/** Without those of one cosine beyond the first `most`. They stand side by side. */
export function firstOfEach<E extends { cosine: number }>(events: readonly E[], most: number): E[] {
  let run = 0;
  return events.filter(({ cosine }, i) => {
    run = i > 0 && events[i - 1]?.cosine === cosine ? run + 1 : 0;
    return run < most;
  });
}

/** Events that have the same vector. */
export class EqualEvents {
  count = 0;
  /** Least and greatest sequence number. */
  first = Number.POSITIVE_INFINITY;
  last = -1;

  add(seq: number): void {
    this.count += 1;
    this.first = Math.min(this.first, seq);
    this.last = Math.max(this.last, seq);
  }
}

/** Cosines of a vector with itself miss 1 by the rounding of singles; those of two texts miss it by more. */
export const SAME_COSINE = 1 - 1e-6;
