// What the vectorizer and its worker processes say to each other. Few events at a time cross as flat arrays; many are read
// by the worker itself from the ledger's files, so that the primary's own process does nothing for each of them.
import type { LevelOfPriority, RowLevel } from "../../shared/embed/levels.js";
import type { LinePlace } from "../../shared/store/read-lines.js";

/** Strings of one event in a job: action, element id, element type, timestamp, state in RFC 8785 form. */
export const STRINGS_PER_EVENT = 5;

/** Events that cross in the message. */
export interface EventsToEmbed {
  level: RowLevel;
  seqs: number[];
  /** STRINGS_PER_EVENT strings for each event. */
  texts: string[];
}

/** Where the lines of one event stand, to go on reading behind it. */
export interface EventPlace {
  entry: LinePlace;
  payload: LinePlace;
}

/** Durable events of the ledger from `from` up to but not including `to`. */
export interface RangeToEmbed {
  entries: string;
  payloads: string;
  from: number;
  to: number;
  /** Those in between that have a row already, or get one elsewhere. */
  skip: number[];
  /** What the others get, by their priority; nothing at level `none`. */
  levels: LevelOfPriority;
  /** An event at or before `from`, so that nothing before it is read. */
  known: EventPlace | undefined;
}

export type EmbedRequest = { id: number } & (EventsToEmbed | { range: RangeToEmbed });

/** Rows as they are stored, in the order of the request: the primary's own process only has to append them. */
export interface RowsOfLevel {
  level: RowLevel;
  /** Event of the first row. */
  firstSeq: number;
  rows: Uint8Array;
}

export interface EmbedReply {
  id: number;
  /** One for each level that has any. */
  rows: RowsOfLevel[];
  /** Of a range: the place of the last event that was read. What comes after it in the range is to be asked for again. */
  last?: EventPlace | undefined;
}
