// The newest vector rows of a space, side by side in memory for the exact scan. Bounded: rows past the bound are left on
// disk, where the scan reads them.
import type { RowBlock } from "./nearest-rows.js";
import type { RowRange } from "./plan-segments.js";
import { type RowChunk, vectorOfRow } from "./vector-rows.js";

export class TailRows {
  readonly #dimensions: number;
  readonly #mostFloats: number;
  #floats = new Float32Array(0);
  #first = 0;
  #rows = 0;

  constructor(dimensions: number, mostFloats: number) {
    this.#dimensions = dimensions;
    this.#mostFloats = mostFloats;
  }

  /** Position after the last row held. */
  get end(): number {
    return this.#first + this.#rows;
  }

  get hasRoom(): boolean {
    return (this.#rows + 1) * this.#dimensions <= this.#mostFloats;
  }

  block(): RowBlock {
    const stride = this.#dimensions;
    return { first: this.#first, rows: this.#rows, stride, offset: 0, floats: this.#floats };
  }

  /** How many rows of `range` are not held. */
  outside(range: RowRange): number {
    const from = Math.max(range.first, this.#first);
    const to = Math.min(range.first + range.rows, this.end);
    return range.rows - Math.max(0, to - from);
  }

  /** Adds the rows that follow on those held, as many as fit; others are left out. */
  append(chunk: RowChunk): void {
    for (let i = Math.max(0, this.end - chunk.first); i < chunk.rows; i += 1) {
      if (chunk.first + i !== this.end || !this.hasRoom) return;
      this.#makeRoom();
      this.#floats.set(vectorOfRow(chunk, i), this.#rows * this.#dimensions);
      this.#rows += 1;
    }
  }

  /** Forgets the rows before `first`; all of them if `first` is not among those held. */
  startAt(first: number): void {
    const keep = first >= this.#first && first <= this.end ? this.end - first : 0;
    const from = (first - this.#first) * this.#dimensions;
    this.#floats = keep > 0 ? this.#floats.slice(from, from + keep * this.#dimensions) : new Float32Array(0);
    this.#first = first;
    this.#rows = keep;
  }

  #makeRoom(): void {
    const needed = (this.#rows + 1) * this.#dimensions;
    if (needed <= this.#floats.length) return;
    // A new array, because a scan may hold the old one.
    const larger = new Float32Array(Math.min(this.#mostFloats, Math.max(needed, this.#floats.length * 2)));
    larger.set(this.#floats);
    this.#floats = larger;
  }
}
