// What a daemon and whoever answers its queries say to each other: over the fork channel of a child, or over the feed.
import type { LogFields, LogLevel } from "../log.js";

export interface QueryOptions {
  root: string;
  socketPath: string;
  /** HNSW children, and segments built at a time. */
  indexProcesses: number;
  /** Whose process it is: a label of its metrics. */
  daemon: "primary" | "replica";
}

/** What the primary last said about its own ledger. */
export interface PrimaryHead {
  size: number;
  atMs: number;
  generation: number;
}

export interface Promoted {
  generation: number;
  /** Entries that the engine now answers for. */
  size: number;
}

export type QueryNews =
  | { op: "promoted"; store: string; generation: number }
  | { op: "primary-head"; store: string; head: PrimaryHead };

/** `answered` is also said of a generation that nobody told of: it was found on disk. */
export type NewsAnswer =
  | ({ op: "answered"; store: string } & Promoted)
  | { op: "not-answered"; store: string; generation: number; error: string };

export type ToQueryProcess = ({ op: "start" } & QueryOptions) | QueryNews | { op: "stop" };

export type FromQueryProcess =
  | { op: "listens" }
  | { op: "caught-up" }
  | { op: "failed"; message: string; hint?: string | undefined }
  | NewsAnswer
  | { op: "log"; level: LogLevel; message: string; fields: LogFields };
