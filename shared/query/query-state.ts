// `state`: what an element looked like at a time or at a height, which is also the state to roll it back to.
import { formatTimestamp } from "../format/timestamp.js";
import type { EventRow } from "./event-layer.js";
import { type FullEvent, inFull, type QueryContext, summarise, topHeightOf } from "./query-context.js";
import { badParameter, QueryError } from "./query-error.js";
import { verifyEvent } from "./verify-event.js";

export interface StateQuery {
  element: string;
  atMicros?: number | undefined;
  height?: number | undefined;
}

export interface StateAnswer {
  element: string;
  /** Greatest height of the element now; the state is the latest one when its event has this height. */
  latest_height: number;
  /** The event that left the element in this state, the state with it. */
  results: FullEvent[];
}

/** @throws QueryError `unknown-element`, `unknown-event`, `broken-chain`, `bad-parameter` */
export function queryState(context: QueryContext, query: StateQuery): StateAnswer {
  const latest = topHeightOf(context, query.element);
  const row = find(context, query, latest);
  return { element: query.element, latest_height: latest, results: [inFull(verifyEvent(context.layer, row))] };
}

function find({ layer, size }: QueryContext, { element, atMicros, height }: StateQuery, latest: number): EventRow {
  if (height !== undefined && height > latest) {
    throw badParameter("height", height, `heights of ${element} go from 0 to ${latest}`);
  }
  const row =
    atMicros === undefined ? layer.chain(element, height ?? latest, 1, size)[0] : layer.lastAt(element, atMicros, size);
  if (row) return row;
  const first = layer.chain(element, 0, 1, size)[0];
  const when = first ? summarise(first).timestamp : "unknown";
  const asked = atMicros === undefined ? `at height ${height}` : `at or before ${formatTimestamp(atMicros)}`;
  throw new QueryError("unknown-event", `${element} has no event ${asked}`, {
    hint: `its first event is of ${when}; ask for a time after that, or for --height 0`,
  });
}
