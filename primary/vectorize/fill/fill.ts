// One fill: which events of a range are to have a row in a space and have none yet, which are given out, and how far it is.
// It reads entries once, to know their priorities; what is done about it happens in space-filler.ts.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { RowLevel } from "../../../shared/embed/levels.js";
import type { Priority } from "../../../shared/format/entry.js";
import { hasSeq, type SeqRanges } from "../../../shared/format/seq-ranges.js";
import { findRowless } from "../find-rowless.js";
import { SeqSet } from "../seq-set.js";
import { FillPace } from "./fill-pace.js";
import type { FillOrder } from "./fill-record.js";
import { type FillRange, nextRange, type RangeBounds } from "./next-range.js";

export interface FillScope {
  level: RowLevel;
  priorities: readonly Priority[];
  from: number;
  /** Up to but not including it; `Infinity` for what the configuration asks for. */
  to: number;
}

export interface FillTarget {
  space: string;
  rowBytes: number;
}

/** Why a fill does not go on. */
export interface FillTrouble {
  reason: string;
  hint: string | undefined;
}

/** Events noted in one turn of the loop. */
const TURN_EVENTS = 32_768;

export class Fill {
  readonly scope: FillScope;
  readonly pace = new FillPace();
  readonly ending = new AbortController();
  /** What an operator asked for; undefined for what the configuration asks for. */
  order: FillOrder | undefined;
  /** Undefined until the level could be had. */
  target: FillTarget | undefined;
  trouble: FillTrouble | undefined;
  /** Events that wait for their row. */
  missing = 0;
  /** Rows written since the start of the daemon. */
  made = 0;
  /** Events without a row because they ended every worker that tried. */
  leftOut = 0;
  /** Given out, done, or of no concern. */
  #taken = new SeqSet(0);
  /** Row written, or none to be written. */
  #done = new SeqSet(0);
  #rows = new SeqSet(0);
  #cursor = 0;
  #notedBelow = 0;
  #surveyed = false;

  constructor(scope: FillScope, order?: FillOrder) {
    this.scope = scope;
    this.order = order;
  }

  /** Whether it is known which events are wanted: nothing is given out before. */
  get surveyed(): boolean {
    return this.#surveyed;
  }

  /** Every event below it has its row written, or gets none. */
  get doneBelow(): number {
    return this.#done.firstMissing;
  }

  /** Every event below it is given out, or is of no concern. */
  get givenOutBelow(): number {
    return this.#taken.firstMissing;
  }

  get isDone(): boolean {
    return this.#surveyed && this.missing === 0 && this.#notedBelow >= this.scope.to;
  }

  /**
   * Looks through the entries to the ledger's end, which moves on meanwhile; what has a row, or is of no concern, is noted as
   * done. From its end on, `appended` tells what comes. `from`: everything before it is done.
   */
  async survey(entries: string, rows: SeqSet, from: number, ledgerSize: () => number): Promise<void> {
    this.#taken = new SeqSet(from);
    this.#done = new SeqSet(from);
    this.#rows = rows;
    this.#notedBelow = from;
    this.missing = 0;
    const end = () => Math.min(this.scope.to, ledgerSize());
    while (this.#notedBelow < end()) await this.#surveyTo(entries, end());
    this.lookAgain();
    this.#surveyed = true;
  }

  /** Durable events, in order. */
  appended(seq: number, priority: Priority, isSeal: boolean): void {
    if (!this.#surveyed || seq < this.#notedBelow || seq >= this.scope.to) return;
    this.#notedBelow = seq + 1;
    this.#noteEntry(seq, priority, isSeal);
  }

  /** A generation stands: events that were passed over may be free now. */
  lookAgain(): void {
    this.#cursor = this.#taken.firstMissing;
  }

  /** Takes events of generations whose first row is not still to come. */
  take(sealed: { size: number; late: SeqRanges }, most: RangeBounds): FillRange | undefined {
    const end = Math.min(this.scope.to, sealed.size, this.#notedBelow);
    const isLate = (seq: number) => hasSeq(sealed.late, seq);
    const wanted = { from: this.#cursor, end, isTaken: (seq: number) => this.#isTaken(seq), isLate };
    const range = nextRange(wanted, most);
    this.#cursor = range?.to ?? end;
    if (!range) return undefined;
    const skipped = new Set(range.skip);
    for (let seq = range.from; seq < range.to; seq += 1) if (!skipped.has(seq)) this.#taken.add(seq);
    return range;
  }

  /** These have their row now, or get none. */
  finish(seqs: readonly number[]): void {
    for (const seq of seqs) this.#done.add(seq);
    this.missing -= seqs.length;
  }

  async #surveyTo(entries: string, to: number): Promise<void> {
    const from = this.#notedBelow;
    for (let seq = from; seq < to; seq += 1) {
      if (this.#rows.has(seq)) this.#note(seq);
      if ((seq - from) % TURN_EVENTS === TURN_EVENTS - 1) await nextTurn();
    }
    const hasRow = (seq: number) => this.#done.has(seq);
    for await (const { seq, priority, isSeal } of findRowless(entries, { from, to, hasRow })) {
      this.ending.signal.throwIfAborted();
      this.#noteEntry(seq, priority, isSeal);
    }
    this.#notedBelow = to;
  }

  #noteEntry(seq: number, priority: Priority, isSeal: boolean): void {
    if (isSeal || !this.scope.priorities.includes(priority)) this.#note(seq);
    else this.missing += 1;
  }

  /** Its first row may have been made in this very space meanwhile: then it is done. */
  #isTaken(seq: number): boolean {
    if (this.#taken.has(seq)) return true;
    if (!this.#rows.has(seq)) return false;
    this.#note(seq);
    this.missing -= 1;
    return true;
  }

  #note(seq: number): void {
    this.#taken.add(seq);
    this.#done.add(seq);
  }
}
