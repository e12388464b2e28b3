// `chain`: the events of one element in order of height, assembled from the ledger and verified as they are assembled.
import { changesOf } from "./changes-of-event.js";
import type { FieldChange } from "./compare-states.js";
import { formatCursor, parseCursor } from "./cursor.js";
import { type FullEvent, inFull, type QueryContext, topHeightOf } from "./query-context.js";
import { type VerifiedEvent, verifyEvent, verifyLink } from "./verify-event.js";

export interface ChainQuery {
  element: string;
  limit: number;
  cursor?: string | undefined;
}

export type ChainEvent = FullEvent & { changes: FieldChange[] };

export interface ChainPage {
  element: string;
  /** Events in the whole chain. */
  length: number;
  /** The size that the page answers for. */
  size: number;
  results: ChainEvent[];
  cursor?: string;
}

/** @throws QueryError `unknown-element`, `broken-chain`, `bad-parameter` */
export function queryChain(context: QueryContext, { element, limit, cursor }: ChainQuery): ChainPage {
  const marked = ["chain", context.store, element];
  const start = cursor === undefined ? undefined : parseCursor(cursor, marked, 1, context.size);
  const size = start?.size ?? context.size;
  const from = start?.place[0] ?? 0;
  const top = topHeightOf({ ...context, size }, element);
  const results = assemble(context, element, from, limit, size);
  const next = from + results.length;
  return {
    element,
    length: top + 1,
    size,
    results,
    ...(next <= top ? { cursor: formatCursor({ size, place: [next] }, marked) } : {}),
  };
}

function assemble({ layer }: QueryContext, element: string, from: number, limit: number, size: number): ChainEvent[] {
  // The event before the page is read too: the first link and the first changes are against it.
  const before = Math.min(1, from);
  const rows = layer.chain(element, from - before, limit + before, size);
  const results: ChainEvent[] = [];
  let previous: VerifiedEvent | undefined;
  for (const [i, row] of rows.entries()) {
    const event = verifyEvent(layer, row);
    if (i > 0 || before === 0) verifyLink(layer, event, previous);
    if (i >= before) {
      const changes = changesOf(previous, event);
      results.push({ ...inFull(event), changes });
    }
    previous = event;
  }
  return results;
}
