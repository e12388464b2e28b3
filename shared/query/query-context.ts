// What a query reads: one store's layers as far as it answers, and its vectors. Made anew for each query, so that every
// part of an answer speaks for the same size.
import type { Entry } from "../format/entry.js";
import { formatTimestamp } from "../format/timestamp.js";
import type { EventLayer, EventRow } from "./event-layer.js";
import { QueryError } from "./query-error.js";
import type { Questions } from "./search/question-host.js";
import type { VectorIndex } from "./vector-index.js";
import type { VerifiedEvent } from "./verify-event.js";

export interface QueryContext {
  store: string;
  layer: EventLayer;
  /** Entries answered for: events with `seq < size`. */
  size: number;
  /** Root of the promoted generation's checkpoint. */
  root: Buffer;
  /** By space name. */
  spaces: ReadonlyMap<string, VectorIndex>;
  questions: Questions;
}

/** An event in a list: what the catalog knows of it. */
export interface EventSummary {
  seq: number;
  hash: string;
  timestamp: string;
  element_id: string;
  element_type: string;
  action: string;
  actor: string;
  height: number;
}

/** An event in full, verified as it was read. */
export type FullEvent = Entry & {
  hash: string;
  state_snapshot: unknown;
  reason?: string;
  redacted?: string[];
  idempotency_key?: string;
};

export function summarise(row: EventRow): EventSummary {
  return {
    seq: row.seq,
    hash: row.hash.toString("hex"),
    timestamp: formatTimestamp(row.atMicros),
    element_id: row.element,
    element_type: row.type,
    action: row.action,
    actor: row.actor,
    height: row.height,
  };
}

export function inFull({ entry, payload, hash }: VerifiedEvent): FullEvent {
  const { salt: _salt, seq: _seq, state_snapshot = null, ...detail } = payload;
  // The entry's members last: a payload that holds a member of the same name must not speak for it.
  return { ...detail, state_snapshot, hash, ...entry };
}

/** Greatest height of the element. @throws QueryError `unknown-element`, naming elements with names near it */
export function topHeightOf({ layer, size }: QueryContext, element: string): number {
  const top = layer.topHeight(element, size);
  if (top >= 0) return top;
  const near = layer.near(element, 5, size);
  const hint = near.length > 0 ? `did you mean ${near.join(", ")}?` : "`timeline` lists what there is";
  throw new QueryError("unknown-element", `no event of element ${JSON.stringify(element)} is in this store`, { hint });
}

/** @throws QueryError `unknown-event` */
export function rowOfSeq({ layer, size }: QueryContext, seq: number): EventRow {
  const row = layer.bySeq(seq, size);
  if (row) return row;
  const hint = size === 0 ? "the store is empty" : `events 0 to ${size - 1} can be asked for`;
  throw new QueryError("unknown-event", `there is no event ${seq} in this store`, { hint });
}
