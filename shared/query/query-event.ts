// `event`: one event in full, by sequence number or by hash, with what it changed.
import { changesOf } from "./changes-of-event.js";
import type { FieldChange } from "./compare-states.js";
import type { EventRow } from "./event-layer.js";
import { type FullEvent, inFull, type QueryContext, rowOfSeq } from "./query-context.js";
import { QueryError } from "./query-error.js";
import { verifyEvent, verifyLink } from "./verify-event.js";

export type EventQuery = { seq: number } | { hash: string };

export interface EventAnswer {
  results: (FullEvent & { changes: FieldChange[] })[];
}

/** @throws QueryError `unknown-event`, `ambiguous-hash`, `broken-chain` */
export function queryEvent(context: QueryContext, query: EventQuery): EventAnswer {
  const { layer, size } = context;
  const row = "seq" in query ? rowOfSeq(context, query.seq) : rowOfHash(context, query.hash);
  const event = verifyEvent(layer, row);
  const before = row.height === 0 ? undefined : layer.chain(row.element, row.height - 1, 1, size)[0];
  const previous = before && verifyEvent(layer, before);
  verifyLink(layer, event, previous);
  return { results: [{ ...inFull(event), changes: changesOf(previous, event) }] };
}

function rowOfHash({ layer, size }: QueryContext, hash: string): EventRow {
  const rows = layer.byHash(hash, 3, size);
  const [row, other] = rows;
  if (!row) {
    throw new QueryError("unknown-event", `no event's hash starts with ${hash}`, {
      hint: "hashes are shown by `chain`, `timeline` and `search`",
    });
  }
  if (other) {
    throw new QueryError("ambiguous-hash", `${hash} begins the hashes of events ${row.seq} and ${other.seq}`, {
      hint: `give more digits, such as ${row.hash.toString("hex").slice(0, hash.length + 8)}`,
    });
  }
  return row;
}
