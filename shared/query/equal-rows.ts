// Which rows of a segment have the same vector. Events that say the same have the very same bytes, and logs say the same
// thousands of times, so a segment's index holds each vector once, and this the other rows that have it.
import { createHash } from "node:crypto";

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
