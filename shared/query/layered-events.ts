// Reads through the layers as if they were one: the promoted generation below, the tail of newer entries above. A layer
// above holds later sequence numbers, and so greater heights, than every layer below it.
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
import { compareNames, LayeredTallies, type Tallies } from "./tallies.js";

export class LayeredEvents implements EventLayer {
  /** Oldest first. */
  readonly #layers: readonly EventLayer[];
  readonly #ownerOf = new WeakMap<EventRow, EventLayer>();

  constructor(layers: readonly EventLayer[]) {
    this.#layers = layers;
  }

  bySeq(seq: number, below: number): EventRow | undefined {
    return this.#first((layer) => layer.bySeq(seq, below));
  }

  byHash(prefix: string, limit: number, below: number): EventRow[] {
    return this.#all((layer) => layer.byHash(prefix, limit, below)).slice(0, limit);
  }

  topHeight(element: string, below: number): number {
    return Math.max(-1, ...this.#layers.map((layer) => layer.topHeight(element, below)));
  }

  chain(element: string, fromHeight: number, limit: number, below: number): EventRow[] {
    return this.#all((layer) => layer.chain(element, fromHeight, limit, below)).slice(0, limit);
  }

  lastAt(element: string, atMicros: number, below: number): EventRow | undefined {
    return this.#first((layer) => layer.lastAt(element, atMicros, below));
  }

  firstMicros(element: string, below: number): number | undefined {
    const times = this.#layers.map((layer) => layer.firstMicros(element, below)).filter((one) => one !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  timeline(filter: TimelineFilter, limit: number, below: number): EventRow[] {
    const sign = filter.reverse ? -1 : 1;
    return this.#all((layer) => layer.timeline(filter, limit, below))
      .sort((a, b) => sign * (a.atMicros - b.atMicros || a.seq - b.seq))
      .slice(0, limit);
  }

  elements(filter: ElementFilter, limit: number, below: number): EventRow[] {
    return this.#layers
      .flatMap((layer, i) => this.#newestIn(layer, this.#layers.slice(i + 1), filter, limit, below))
      .sort((a, b) => compareNames(a.element, b.element))
      .slice(0, limit);
  }

  elementCount(below: number): number {
    return this.#layers.reduce((sum, layer) => sum + layer.elementCount(below), 0);
  }

  countBetween(span: TimeSpan, below: number): number {
    return this.#layers.reduce((sum, layer) => sum + layer.countBetween(span, below), 0);
  }

  groups(span: TimeSpan, byElement: boolean, below: number): EventGroup[] {
    return this.#layers.flatMap((layer) => layer.groups(span, byElement, below));
  }

  tallies(below: number): Tallies {
    return new LayeredTallies(this.#layers.map((layer) => layer.tallies(below)));
  }

  countBefore(element: string, action: string | undefined, beforeMicros: number, most: number, below: number): number {
    const counts = this.#layers.map((layer) => layer.countBefore(element, action, beforeMicros, most, below));
    return Math.min(
      most,
      counts.reduce((sum, count) => sum + count, 0),
    );
  }

  /** Each layer scores in its own way over its own events, so hits are taken in turn by rank, newest layer first. */
  text(words: readonly string[], limit: number, below: number, filter: TextFilter = {}): TextHit[] {
    return [...this.#layers]
      .reverse()
      .flatMap((layer) => layer.text(words, limit, below, filter).map((hit, rank) => ({ hit, rank })))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, limit)
      .map(({ hit }) => hit);
  }

  /** The layers hold runs of sequence numbers: newest layer first is newest event first. */
  holding(words: readonly string[], limit: number, below: number): number[] {
    return [...this.#layers]
      .reverse()
      .flatMap((layer) => layer.holding(words, limit, below))
      .slice(0, limit);
  }

  countHolding(word: string, below: number): number {
    return this.#layers.reduce((sum, layer) => sum + layer.countHolding(word, below), 0);
  }

  near(element: string, limit: number, below: number): string[] {
    return [...new Set(this.#layers.flatMap((layer) => layer.near(element, limit, below)))].slice(0, limit);
  }

  stored(row: EventRow): StoredEvent {
    const owner = this.#ownerOf.get(row);
    if (!owner) throw new Error("stored() was asked for a row that no layer gave");
    return owner.stored(row);
  }

  /** The uppermost layer that has one: the tail knows the later event. */
  #first(find: (layer: EventLayer) => EventRow | undefined): EventRow | undefined {
    for (const layer of [...this.#layers].reverse()) {
      const row = find(layer);
      if (row) return this.#own(row, layer);
    }
    return undefined;
  }

  /** Of a layer's elements those that no layer above has a newer event of: it asks on until it has `limit` of them. */
  #newestIn(layer: EventLayer, above: EventLayer[], filter: ElementFilter, limit: number, below: number): EventRow[] {
    const kept: EventRow[] = [];
    let after = filter.after;
    for (;;) {
      const rows = layer.elements({ ...filter, after }, limit, below);
      for (const row of rows) {
        if (above.every((one) => one.topHeight(row.element, below) < 0)) kept.push(this.#own(row, layer));
      }
      if (rows.length < limit || kept.length >= limit) return kept;
      after = rows.at(-1)?.element;
    }
  }

  #all(find: (layer: EventLayer) => EventRow[]): EventRow[] {
    return this.#layers.flatMap((layer) => find(layer).map((row) => this.#own(row, layer)));
  }

  #own(row: EventRow, layer: EventLayer): EventRow {
    this.#ownerOf.set(row, layer);
    return row;
  }
}
