// `elements`: every element with its newest event, in order of name, and with the state that event left it in if asked
// for. What a network, or a whole host, looks like at present is put together from this.
import { formatCursor, parseCursor } from "./cursor.js";
import type { EventRow } from "./event-layer.js";
import { type EventSummary, type QueryContext, summarise } from "./query-context.js";
import { badParameter } from "./query-error.js";
import { stateOf, verifyEvent } from "./verify-event.js";

export interface ElementsQuery {
  /** Only elements whose newest event is of one of these types. */
  types?: readonly string[] | undefined;
  /** Only elements whose newest event came by this source. */
  source?: string | undefined;
  prefix: string;
  states: boolean;
  limit: number;
  cursor?: string | undefined;
}

/** The newest event of an element; `state_snapshot` is verified as it is read, like that of `state`. */
export type ElementSummary = EventSummary & { source: string; state_snapshot?: unknown };

export interface ElementsPage {
  size: number;
  results: ElementSummary[];
  cursor?: string;
}

/** A page of states ends early past this: a thousand states of 1 MiB each would be an answer of 1 GiB. */
const MOST_STATE_BYTES = 8 * 1024 * 1024;

/** @throws QueryError `broken-chain`, `bad-parameter` */
export function queryElements(context: QueryContext, query: ElementsQuery): ElementsPage {
  const { limit, cursor, states, ...filter } = query;
  const marked = ["elements", context.store, filter];
  const start = cursor === undefined ? undefined : parseCursor(cursor, marked, 1, context.size);
  const size = start?.size ?? context.size;
  const after = start && elementBefore(context, query, start.place[0] as number, size);
  const rows = context.layer.elements({ ...filter, after }, limit + 1, size);
  const { results, last } = takePage(context, rows.slice(0, limit), states);
  const more = last !== undefined && results.length < rows.length;
  return { size, results, ...(more ? { cursor: formatCursor({ size, place: [last.seq] }, marked) } : {}) };
}

/** The element that the page before ended with: a cursor keeps the number of its event. */
function elementBefore({ layer }: QueryContext, query: ElementsQuery, seq: number, size: number): string {
  const row = layer.bySeq(seq, size);
  if (row) return row.element;
  throw badParameter("cursor", query.cursor, "use the cursor as it came, or leave it out to start again");
}

function takePage({ layer }: QueryContext, rows: EventRow[], states: boolean) {
  const results: ElementSummary[] = [];
  let last: EventRow | undefined;
  let bytes = 0;
  for (const row of rows) {
    const summary = { ...summarise(row), source: row.source };
    if (states) {
      const event = verifyEvent(layer, row);
      bytes += event.payloadBytes;
      if (bytes > MOST_STATE_BYTES && last) break;
      results.push({ ...summary, state_snapshot: stateOf(event) });
    } else results.push(summary);
    last = row;
  }
  return { results, last };
}
