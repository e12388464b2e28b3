// The hot tail: entries newer than the promoted generation, held in memory until a generation confirms them. Nothing
// feeds it yet, so it is empty; the engine reads through it all the same. Bounded by whoever feeds it.
import type { EventLayer, EventRow, StoredEvent, TextHit, TimelineFilter } from "./event-layer.js";

export interface TailEvent {
  row: EventRow;
  stored: StoredEvent;
}

export class TailLayer implements EventLayer {
  /** In sequence order. */
  readonly #events: readonly TailEvent[];

  constructor(events: readonly TailEvent[] = []) {
    this.#events = events;
  }

  bySeq(seq: number, below: number): EventRow | undefined {
    return this.#rows(below).find((row) => row.seq === seq);
  }

  byHash(prefix: string, limit: number, below: number): EventRow[] {
    return this.#rows(below)
      .filter((row) => row.hash.toString("hex").startsWith(prefix))
      .slice(0, limit);
  }

  topHeight(element: string, below: number): number {
    return this.#rows(below).findLast((row) => row.element === element)?.height ?? -1;
  }

  chain(element: string, fromHeight: number, limit: number, below: number): EventRow[] {
    return this.#rows(below)
      .filter((row) => row.element === element && row.height >= fromHeight)
      .slice(0, limit);
  }

  lastAt(element: string, atMicros: number, below: number): EventRow | undefined {
    return this.#rows(below).findLast((row) => row.element === element && row.atMicros <= atMicros);
  }

  timeline(filter: TimelineFilter, limit: number, below: number): EventRow[] {
    const sign = filter.reverse ? -1 : 1;
    return this.#rows(below)
      .filter((row) => passes(row, filter, sign))
      .sort((a, b) => sign * (a.atMicros - b.atMicros || a.seq - b.seq))
      .slice(0, limit);
  }

  /** One point for each of the words that the event's own names or its state hold. */
  text(words: readonly string[], limit: number, below: number): TextHit[] {
    const wanted = words.map((word) => word.toLowerCase());
    return this.#events
      .filter(({ row }) => row.seq < below)
      .map(({ row, stored }) => {
        const text = `${row.element} ${row.type} ${row.action} ${row.actor} ${stored.payload}`.toLowerCase();
        return { seq: row.seq, score: wanted.filter((word) => text.includes(word)).length };
      })
      .filter((hit) => hit.score > 0)
      .sort((a, b) => b.score - a.score || b.seq - a.seq)
      .slice(0, limit);
  }

  near(element: string, limit: number, below: number): string[] {
    const head = element.slice(0, 4);
    const names = this.#rows(below).map((row) => row.element);
    return [...new Set(names.filter((name) => name.startsWith(head)))].slice(0, limit);
  }

  stored(row: EventRow): StoredEvent {
    const event = this.#events.find((candidate) => candidate.row.seq === row.seq);
    if (!event) throw new Error("stored() was asked for a row that the tail did not give");
    return event.stored;
  }

  #rows(below: number): EventRow[] {
    return this.#events.filter(({ row }) => row.seq < below).map(({ row }) => row);
  }
}

function passes(row: EventRow, filter: TimelineFilter, sign: 1 | -1): boolean {
  const { after } = filter;
  return (
    row.atMicros >= filter.fromMicros &&
    row.atMicros <= filter.toMicros &&
    (filter.type === undefined || row.type === filter.type) &&
    (filter.actor === undefined || row.actor === filter.actor) &&
    (filter.action === undefined || row.action === filter.action) &&
    (filter.element === undefined || row.element === filter.element) &&
    (after === undefined || sign * (row.atMicros - after.atMicros || row.seq - after.seq) > 0)
  );
}
