// Which event each vector row is of, and which row is an event's latest: an event may have been given a vector twice (a
// crash between writing it and noting that), and then the later row is the one that counts. About 12 bytes a row. A row
// of an event that is not in the store keeps its position, which is its place on disk, and is never a latest one.

const NO_EVENT = -1;

export class RowTable {
  /** Sequence number of each row, by position. */
  #seqs = new Float64Array(1024);
  /** Position + 1 of each event's latest row, by sequence number; 0 for none. */
  #latest = new Uint32Array(1024);
  rows = 0;
  /** Rows that a later one of the same event replaced. */
  superseded = 0;

  /** Adds the next row; returns whether it is of an event below `size`. What is not takes no memory of its own. */
  add(seq: number, size: number): boolean {
    if (this.rows >= this.#seqs.length) this.#seqs = grown(this.#seqs, new Float64Array(this.rows * 2));
    if (seq >= size) {
      this.#seqs[this.rows] = NO_EVENT;
      this.rows += 1;
      return false;
    }
    if (seq >= this.#latest.length) this.#latest = grown(this.#latest, new Uint32Array(Math.ceil((seq + 1) * 1.5)));
    this.#seqs[this.rows] = seq;
    if (this.#latest[seq] !== 0) this.superseded += 1;
    this.rows += 1;
    this.#latest[seq] = this.rows;
    return true;
  }

  seqAt(position: number): number {
    return this.#seqs[position] as number;
  }

  /** Position of the event's latest row, or −1. */
  positionOf(seq: number): number {
    return (this.#latest[seq] ?? 0) - 1;
  }

  isLatest(position: number): boolean {
    return this.positionOf(this.seqAt(position)) === position;
  }
}

function grown<A extends Float64Array | Uint32Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
