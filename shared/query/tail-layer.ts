// The hot tail: entries newer than the promoted generation, held in memory until a generation confirms them. Nothing
// feeds it yet, so it is empty; the engine reads through it all the same. Bounded by whoever feeds it.
import type {
  ElementFilter,
  EventGroup,
  EventLayer,
  EventRow,
  StoredEvent,
  TextFilter,
  TextHit,
  TimelineFilter,
  TimeSpan,
} from "./event-layer.js";
import { compareNames, MemoryTallies, type Tallies } from "./tallies.js";

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

  firstMicros(element: string, below: number): number | undefined {
    const rows = this.#rows(below).filter((row) => row.element === element);
    return rows.length === 0 ? undefined : Math.min(...rows.map(({ atMicros }) => atMicros));
  }

  timeline(filter: TimelineFilter, limit: number, below: number): EventRow[] {
    const sign = filter.reverse ? -1 : 1;
    return this.#rows(below)
      .filter((row) => passes(row, filter, sign))
      .sort((a, b) => sign * (a.atMicros - b.atMicros || a.seq - b.seq))
      .slice(0, limit);
  }

  elements(filter: ElementFilter, limit: number, below: number): EventRow[] {
    const newest = new Map(this.#rows(below).map((row) => [row.element, row]));
    return [...newest.values()]
      .filter((row) => isWanted(row, filter))
      .sort((a, b) => compareNames(a.element, b.element))
      .slice(0, limit);
  }

  /** Elements that the layers below do not have. */
  elementCount(below: number): number {
    return this.#rows(below).filter(({ height }) => height === 0).length;
  }

  countBetween(span: TimeSpan, below: number): number {
    return this.#between(span, below).length;
  }

  groups(span: TimeSpan, byElement: boolean, below: number): EventGroup[] {
    return this.#between(span, below).map(({ seq, element, type, action, actor }) => {
      const group = { type, action, actor, count: 1, firstSeq: seq, lastSeq: seq };
      return byElement ? { ...group, element } : group;
    });
  }

  tallies(below: number): Tallies {
    const tallies = new MemoryTallies();
    for (const row of this.#rows(below)) tallies.add(row);
    return tallies;
  }

  countBefore(element: string, action: string | undefined, beforeMicros: number, most: number, below: number): number {
    const rows = this.#between({ fromMicros: Number.MIN_SAFE_INTEGER, toMicros: beforeMicros - 1 }, below);
    return Math.min(
      most,
      rows.filter((row) => row.element === element && row.action === (action ?? row.action)).length,
    );
  }

  /** One point for each of the words that the event's own names or its state hold. */
  text(words: readonly string[], limit: number, below: number, { holding, among }: TextFilter = {}): TextHit[] {
    return this.#texts(below)
      .filter(({ seq, text }) => (among?.includes(seq) ?? true) && (!holding || countIn(text, holding) > 0))
      .map(({ seq, text }) => ({ seq, score: countIn(text, words) }))
      .filter((hit) => hit.score > 0)
      .sort((a, b) => b.score - a.score || b.seq - a.seq)
      .slice(0, limit);
  }

  holding(words: readonly string[], limit: number, below: number): number[] {
    const seqs = this.#texts(below).flatMap(({ seq, text }) => (countIn(text, words) > 0 ? [seq] : []));
    return seqs.reverse().slice(0, limit);
  }

  countHolding(word: string, below: number): number {
    return this.holding([word], this.#events.length, below).length;
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

  #between({ fromMicros, toMicros }: TimeSpan, below: number): EventRow[] {
    return this.#rows(below).filter(({ atMicros }) => atMicros >= fromMicros && atMicros <= toMicros);
  }

  #texts(below: number): { seq: number; text: string }[] {
    return this.#events
      .filter(({ row }) => row.seq < below)
      .map(({ row: { seq, element, type, action, actor }, stored }) => {
        return { seq, text: `${element} ${type} ${action} ${actor} ${stored.payload}`.toLowerCase() };
      });
  }

  #rows(below: number): EventRow[] {
    return this.#events.filter(({ row }) => row.seq < below).map(({ row }) => row);
  }
}

function countIn(text: string, words: readonly string[]): number {
  return words.filter((word) => text.includes(word.toLowerCase())).length;
}

function isWanted(row: EventRow, { types, source, prefix, after }: ElementFilter): boolean {
  return (
    (types === undefined || types.includes(row.type)) &&
    (source === undefined || row.source === source) &&
    row.element.startsWith(prefix) &&
    (after === undefined || compareNames(row.element, after) > 0)
  );
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
