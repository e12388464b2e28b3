// What the engine and its HNSW children say to each other over the fork channel (serialization `advanced`).
import type { RowShape } from "../format/vector-row.js";
import type { RowFiles } from "./vector-rows.js";

export type HnswMetric = "ip" | "cosine";

export interface SegmentShape {
  dimensions: number;
  metric: HnswMetric;
  m: number;
  efConstruction: number;
}

export interface BuildRequest {
  op: "build";
  call: number;
  shape: SegmentShape;
  rows: RowFiles;
  /** How the rows stand on disk. The index itself holds singles, whatever they are. */
  rowShape: RowShape;
  first: number;
  count: number;
  /** The finished file; its sequence numbers go beside it. */
  path: string;
  seqsPath: string;
}

export interface BuildAnswer {
  sha256: string;
  bytes: number;
  seqsSha256: string;
  /** Rows in the index; fewer than asked for when some are not finite. */
  added: number;
  lastSeq: number;
}

export interface LoadRequest {
  op: "load";
  call: number;
  id: number;
  shape: SegmentShape;
  path: string;
  sha256: string;
  added: number;
  first: number;
}

export interface UnloadRequest {
  op: "unload";
  call: number;
  id: number;
}

export interface SearchRequest {
  op: "search";
  call: number;
  /** Loaded segments to search; each query is put to all of them. */
  segments: readonly number[];
  /** Queries one after another. */
  queries: Float32Array;
  count: number;
  k: number;
  /** hnswlib's search breadth in each segment. */
  ef: number;
}

/** `count × segments × k` places; a place with nothing in it has position −1. */
export interface SearchAnswer {
  positions: Float64Array;
  cosines: Float32Array;
}

export type HnswRequest = BuildRequest | LoadRequest | UnloadRequest | SearchRequest;
export type HnswReply = { call: number; answer?: unknown; error?: string };
