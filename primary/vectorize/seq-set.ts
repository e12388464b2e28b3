// A set of sequence numbers that fills from the left, one bit each: a backlog of a million events costs 125 KB.
import type { SeqRange } from "../../shared/format/seq-ranges.js";

export class SeqSet {
  #bits = new Uint8Array(1024);
  /** Sequence number of the first bit; a multiple of 8. */
  #base: number;
  #firstMissing: number;

  /** Every number below `from` is in the set. */
  constructor(from: number) {
    this.#base = from - (from % 8);
    this.#firstMissing = from;
  }

  /** Every number below it is in the set. */
  get firstMissing(): number {
    return this.#firstMissing;
  }

  has(seq: number): boolean {
    if (seq < this.#firstMissing) return true;
    const at = seq - this.#base;
    return ((this.#bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  add(seq: number): void {
    if (seq < this.#firstMissing) return;
    this.#makeRoom(seq);
    const at = seq - this.#base;
    this.#bits[at >> 3] = (this.#bits[at >> 3] ?? 0) | (1 << (at & 7));
    if (seq === this.#firstMissing) this.#advance();
  }

  /** The numbers below `end` that are not in the set; `undefined` if they are in more than `most` ranges. */
  missing(end: number, most: number): SeqRange[] | undefined {
    const missing: [number, number][] = [];
    for (let seq = this.#firstMissing; seq < end; seq += 1) {
      if (this.has(seq)) continue;
      const range = missing.at(-1);
      if (range && range[1] === seq - 1) range[1] = seq;
      else if (missing.push([seq, seq]) > most) return undefined;
    }
    return missing;
  }

  #advance(): void {
    let at = this.#firstMissing - this.#base;
    for (;;) {
      if ((at & 7) === 0 && this.#bits[at >> 3] === 0xff) at += 8;
      else if (((this.#bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0) at += 1;
      else break;
    }
    this.#firstMissing = this.#base + at;
  }

  #makeRoom(seq: number): void {
    if (seq - this.#base < this.#bits.length * 8) return;
    const done = Math.floor((this.#firstMissing - this.#base) / 8);
    const neededBytes = Math.floor((seq - this.#base) / 8) + 1 - done;
    const bits = new Uint8Array(Math.max(1024, neededBytes * 2));
    bits.set(this.#bits.subarray(done));
    this.#bits = bits;
    this.#base += done * 8;
  }
}
