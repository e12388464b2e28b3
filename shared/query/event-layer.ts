// A layer of events that queries read through: the promoted generation, and the tail of newer entries above it. Each
// layer answers for its own run of sequence numbers; nothing in the engine asks a catalog for what a layer should say.
import type { Tallies } from "./tallies.js";

/** What a layer knows of an event without reading its stored bytes. */
export interface EventRow {
  seq: number;
  hash: Buffer;
  element: string;
  type: string;
  action: string;
  actor: string;
  source: string;
  priority: string;
  /** `timestamp` in microseconds since 1970. */
  atMicros: number;
  height: number;
}

/** The stored lines of an event, newlines excluded, and where the entry stands. */
export interface StoredEvent {
  entry: Buffer;
  payload: Buffer;
  /** Leaf hash at this sequence number in the tree whose root the checkpoint signs. */
  leaf: Buffer;
  file: string;
  offset: number;
  payloadFile: string;
  payloadOffset: number;
}

export interface TimelineFilter {
  fromMicros: number;
  /** Inclusive. */
  toMicros: number;
  type?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  element?: string | undefined;
  /** Only events beyond this place, in the direction of the listing. */
  after?: { atMicros: number; seq: number } | undefined;
  reverse: boolean;
}

/** What an element's newest event must be. */
export interface ElementFilter {
  /** Any of these types. */
  types?: readonly string[] | undefined;
  source?: string | undefined;
  /** What the element's name begins with; empty for all. */
  prefix: string;
  /** Only elements whose names come after this one. */
  after?: string | undefined;
}

/** Both ends are included. */
export interface TimeSpan {
  fromMicros: number;
  toMicros: number;
}

/** The events of a span that have these names. */
export interface EventGroup {
  /** Undefined if elements were not told apart. */
  element?: string;
  type: string;
  action: string;
  actor: string;
  count: number;
  firstSeq: number;
  lastSeq: number;
}

export interface TextHit {
  seq: number;
  /** Larger is better. */
  score: number;
}

/** What hits must be besides good. */
export interface TextFilter {
  /** Each hit holds one of these, to the letter. */
  holding?: readonly string[] | undefined;
  /** Only these events. */
  among?: readonly number[] | undefined;
}

/** All answers leave out events with `seq >= below`. */
export interface EventLayer {
  bySeq(seq: number, below: number): EventRow | undefined;
  /** In sequence order, at most `limit`. `prefix` is 8 to 64 hex digits. */
  byHash(prefix: string, limit: number, below: number): EventRow[];
  /** Greatest height of the element's events, or −1 if it has none. */
  topHeight(element: string, below: number): number;
  /** Events of the element with `height >= fromHeight`, in order of height. */
  chain(element: string, fromHeight: number, limit: number, below: number): EventRow[];
  /** The highest event of the element that happened at or before `atMicros`. */
  lastAt(element: string, atMicros: number, below: number): EventRow | undefined;
  /** When the first event of the element happened, which need not be the first in its chain. */
  firstMicros(element: string, below: number): number | undefined;
  timeline(filter: TimelineFilter, limit: number, below: number): EventRow[];
  /** The newest event of each element, in the order of the elements' names (by their UTF-8 bytes). */
  elements(filter: ElementFilter, limit: number, below: number): EventRow[];
  elementCount(below: number): number;
  /** How many events a span has. */
  countBetween(span: TimeSpan, below: number): number;
  /** The events of a span, counted by their names, in no order. As long as the span's different names. */
  groups(span: TimeSpan, byElement: boolean, below: number): EventGroup[];
  tallies(below: number): Tallies;
  /** The element's events before a time; with this action, if one is given. Stops at `most`: what is frequent costs little. */
  countBefore(element: string, action: string | undefined, beforeMicros: number, most: number, below: number): number;
  /** Best hits first. `words` are plain words, at least one. */
  text(words: readonly string[], limit: number, below: number, filter?: TextFilter): TextHit[];
  /** Events that hold one of `words`, newest first. */
  holding(words: readonly string[], limit: number, below: number): number[];
  /** How many events hold the word. */
  countHolding(word: string, below: number): number;
  /** Elements whose names are near `element`, which is unknown. */
  near(element: string, limit: number, below: number): string[];
  /** Reads the stored bytes. */
  stored(row: EventRow): StoredEvent;
}
