// What a daemon and its query process say to each other over the fork channel.
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

export type ToQueryProcess =
  | ({ op: "start" } & QueryOptions)
  | { op: "promoted"; call: number; store: string; generation: number }
  | { op: "primary-head"; store: string; head: PrimaryHead }
  | { op: "stop" };

export type FromQueryProcess =
  | { op: "listens" }
  | { op: "caught-up" }
  | { op: "failed"; message: string; hint?: string | undefined }
  | { op: "promoted"; call: number; answer?: Promoted; error?: string }
  | { op: "log"; level: LogLevel; message: string; fields: LogFields };
