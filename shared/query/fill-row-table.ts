// Which events rows are of, as they are read: from the stored rows themselves, or from the list beside a segment. A row that
// names no event of the store keeps its place and answers nothing, and a warning says so.
import type { Logger } from "../log.js";
import type { RowTable } from "./row-table.js";
import { type RowChunk, seqOfRow } from "./vector-rows.js";

export class RowTableFiller {
  readonly #table: RowTable;
  readonly #size: number;
  /** Rows left out, and the event that the first of them names. */
  readonly #leftOut = { rows: 0, seq: -1 };

  /** Events at or above `size` are not in the store. */
  constructor(table: RowTable, size: number) {
    this.#table = table;
    this.#size = size;
  }

  add(seq: number): void {
    if (this.#table.add(seq, this.#size)) return;
    if (this.#leftOut.rows === 0) this.#leftOut.seq = seq;
    this.#leftOut.rows += 1;
  }

  addChunk(chunk: RowChunk): void {
    for (let i = 0; i < chunk.rows; i += 1) this.add(seqOfRow(chunk, i));
  }

  /** To be called once, when all are added. */
  tellLeftOut(log: Logger, dir: string): void {
    if (this.#leftOut.rows > 0) log.warn("vectors of no event are left out", { dir, ...this.#leftOut });
  }
}
