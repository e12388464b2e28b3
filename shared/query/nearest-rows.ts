// Exact nearest neighbours: the k greatest cosines over rows held in memory or read from disk. What the HNSW segments do
// not cover is answered by this, so no row is ever missing from an answer.
import { squaresOf } from "../embed/unit-vector.js";

export interface RowHit {
  /** Position of the row in its space. */
  position: number;
  cosine: number;
}

/** Keeps the `k` best hits offered, of equals the later rows, in a heap whose root is the worst of them. */
export class BestHits {
  readonly #k: number;
  readonly #heap: RowHit[] = [];

  constructor(k: number) {
    this.#k = k;
  }

  /** What is below this is not kept. */
  get bar(): number {
    return this.#heap.length < this.#k ? Number.NEGATIVE_INFINITY : (this.#heap[0] as RowHit).cosine;
  }

  offer(position: number, cosine: number): void {
    const heap = this.#heap;
    if (heap.length < this.#k) {
      heap.push({ position, cosine });
      this.#up(heap.length - 1);
    } else if (isWorse(heap[0] as RowHit, { position, cosine })) {
      heap[0] = { position, cosine };
      this.#down();
    }
  }

  /** Best first. */
  sorted(): RowHit[] {
    return [...this.#heap].sort((a, b) => b.cosine - a.cosine || b.position - a.position);
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#swapIfWorse(at, above)) return;
      at = above;
    }
  }

  #down(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const lower = right < this.#heap.length && isWorse(this.#at(right), this.#at(left)) ? right : left;
      if (!this.#swapIfWorse(lower, at)) return;
      at = lower;
    }
  }

  /** Puts the worse of two hits at `above`. */
  #swapIfWorse(below: number, above: number): boolean {
    const heap = this.#heap;
    if (!isWorse(this.#at(below), this.#at(above))) return false;
    [heap[below], heap[above]] = [heap[above] as RowHit, heap[below] as RowHit];
    return true;
  }

  #at(at: number): RowHit {
    return this.#heap[at] as RowHit;
  }
}

function isWorse(a: RowHit, b: RowHit): boolean {
  return a.cosine < b.cosine || (a.cosine === b.cosine && a.position < b.position);
}

/** Rows side by side in memory: row i's floats start at `i × stride + offset`. */
export interface RowBlock {
  first: number;
  rows: number;
  stride: number;
  offset: number;
  floats: Float32Array;
}

/** Offers every row of the block from `from` to `to` (positions). `query` has length 1. */
export function scanBlock(
  block: RowBlock,
  from: number,
  to: number,
  query: Float32Array,
  normalised: boolean,
  best: BestHits,
): void {
  const dimensions = query.length;
  const end = Math.min(to, block.first + block.rows);
  for (let position = Math.max(from, block.first); position < end; position += 1) {
    const at = (position - block.first) * block.stride + block.offset;
    let cosine = dot(block.floats, at, query, dimensions);
    if (!normalised) cosine /= Math.sqrt(squaresOf(block.floats, at, dimensions)) || 1;
    // False for NaN: a row that is not finite is nobody's neighbour.
    if (cosine >= best.bar) best.offer(position, cosine);
  }
}

function dot(floats: Float32Array, at: number, query: Float32Array, dimensions: number): number {
  let a = 0;
  let b = 0;
  let i = 0;
  // Two sums, so that one addition need not wait for the other.
  for (; i + 1 < dimensions; i += 2) {
    a += (floats[at + i] as number) * (query[i] as number);
    b += (floats[at + i + 1] as number) * (query[i + 1] as number);
  }
  return i < dimensions ? a + b + (floats[at + i] as number) * (query[i] as number) : a + b;
}
