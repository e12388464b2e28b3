// Folds answers that say the same: events whose embedded text is equal (what varies is masked in it) are one answer, with
// their number and the times of the first and the last. Reads each event it compares, so it is bounded by what was ranked.
import { setImmediate as nextTurn } from "node:timers/promises";
import { composeText } from "../../embed/text/compose-text.js";
import { formatTimestamp } from "../../format/timestamp.js";
import type { EventRow } from "../event-layer.js";
import { type QueryContext, rowOfSeq } from "../query-context.js";
import { QueryError } from "../query-error.js";
import { stateOf, verifyEvent } from "../verify-event.js";
import type { RankedHit } from "./inquire.js";

/** What one answer stands for. */
export interface Repeats {
  count: number;
  /** Times of the first and the last of them. */
  first: string;
  last: string;
  /** Among which events they were counted: all, or those that this search looked at. */
  of: "store" | "looked_at";
}

export interface Folded {
  hit: RankedHit;
  repeats: Repeats;
}

const READ_AT_A_TIME = 64;

/** Best answer of each text first, in the order of `hits`. */
export class RepeatFolder {
  readonly #context: QueryContext;
  readonly #texts = new Map<number, string>();

  constructor(context: QueryContext) {
    this.#context = context;
  }

  async fold(hits: readonly RankedHit[]): Promise<Folded[]> {
    const groups = new Map<string, { hit: RankedHit; count: number; from: number; to: number }>();
    for (const [i, hit] of hits.entries()) {
      if (i % READ_AT_A_TIME === READ_AT_A_TIME - 1) await nextTurn();
      const row = rowOfSeq(this.#context, hit.seq);
      const { atMicros } = row;
      const text = this.#textOf(row);
      const group = groups.get(text) ?? { hit, count: 0, from: atMicros, to: atMicros };
      group.count += 1;
      group.from = Math.min(group.from, atMicros);
      group.to = Math.max(group.to, atMicros);
      groups.set(text, group);
    }
    return [...groups.values()].map(({ hit, count, from, to }) => {
      const repeats = { count, first: formatTimestamp(from), last: formatTimestamp(to), of: "looked_at" } as const;
      return { hit, repeats };
    });
  }

  #textOf(row: EventRow): string {
    const known = this.#texts.get(row.seq) ?? this.#read(row);
    this.#texts.set(row.seq, known);
    return known;
  }

  /** An event that cannot be verified is like no other: its entry is still found, its state is not believed. */
  #read(row: EventRow): string {
    try {
      const event = verifyEvent(this.#context.layer, row);
      return composeText(event.entry, stateOf(event));
    } catch (error) {
      if (error instanceof QueryError && error.code === "broken-chain") return `event ${row.seq}`;
      throw error;
    }
  }
}
