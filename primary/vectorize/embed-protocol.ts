// What the vectorizer and its worker processes say to each other. Few events at a time cross as flat arrays; many are read
// by the worker itself from the ledger's files, so that the primary's own process does nothing for each of them.
import type { EmbedErrorCode } from "../../shared/embed/embed-error.js";
import type { EmbedderSpec } from "../../shared/embed/embedder.js";
import type { Priority } from "../../shared/format/entry.js";
import type { Space } from "../../shared/format/space.js";
import type { LinePlace } from "../../shared/store/read-lines.js";

/** Strings of one event in a job: action, element id, element type, timestamp, state in RFC 8785 form. */
export const STRINGS_PER_EVENT = 5;

/** Events that cross in the message. */
export interface EventsToEmbed {
  spec: EmbedderSpec;
  seqs: number[];
  /** STRINGS_PER_EVENT strings for each event. */
  texts: string[];
  /** Of each event; left out where the embedder needs none. */
  recentActions: Uint32Array | undefined;
}

/** Where the lines of one event stand, to go on reading behind it. */
export interface EventPlace {
  entry: LinePlace;
  payload: LinePlace;
}

/** How events of each priority are embedded; one that is left out gets no rows. */
export type SpecOfPriority = Readonly<Partial<Record<Priority, EmbedderSpec>>>;

/** Durable events of the ledger from `from` up to but not including `to`. */
export interface RangeToEmbed {
  entries: string;
  payloads: string;
  from: number;
  to: number;
  /** Those in between that have a row already, or get one elsewhere. */
  skip: number[];
  specs: SpecOfPriority;
  /** Of each event from `from` on; left out where no embedder needs any. */
  recentActions: Uint32Array | undefined;
  /** An event at or before `from`, so that nothing before it is read. */
  known: EventPlace | undefined;
}

/** A request without its number. */
export type EmbedJob = EventsToEmbed | { range: RangeToEmbed };

/** The first message to a worker: what it is to have open before it says that it is ready. */
export interface PrepareRequest {
  prepare: EmbedderSpec[];
}

export type EmbedRequest = PrepareRequest | ({ id: number } & EmbedJob);

/** Rows as they are stored, in the order of the request: the primary's own process only has to append them. */
export interface RowsOfSpace {
  space: Space;
  /** Event of the first row. */
  firstSeq: number;
  count: number;
  bytes: Uint8Array;
}

export interface EmbedReply {
  id: number;
  /**
   * One for each space that has any. Of events that crossed: of the first ones, at least one, because a worker is to be free
   * for what is more urgent soon.
   */
  rows: RowsOfSpace[];
  /** Of a range: the place of the last event that was read. What comes after it in the range is to be asked for again. */
  last?: EventPlace | undefined;
  rssBytes: number;
}

/** A model cannot be used: no job at it can be done, by this worker or another. */
export interface ModelFailed {
  /** Of the job; left out while the worker was coming up. */
  id?: number | undefined;
  failed: { space: string; code: EmbedErrorCode; message: string; hint: string };
}

export type FromWorker =
  | EmbedReply
  | ModelFailed
  /** Said before a model is opened: should the process die of it, its parent knows of what. */
  | { opening: string }
  | { opened: string }
  /** Texts are embedded again that were embedded before: slower, and as right. */
  | { cacheLeftOut: string }
  | { ready: true; rssBytes: number };
