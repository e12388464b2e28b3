// `timeline`: events between two times, of a type, by an actor, with an action or of an element; in order of time, newest
// last unless reversed.
import { formatCursor, parseCursor } from "./cursor.js";
import { type EventSummary, type QueryContext, summarise, topHeightOf } from "./query-context.js";

export interface TimelineQuery {
  fromMicros: number;
  toMicros: number;
  type?: string | undefined;
  actor?: string | undefined;
  action?: string | undefined;
  element?: string | undefined;
  reverse: boolean;
  limit: number;
  cursor?: string | undefined;
}

export interface TimelinePage {
  size: number;
  results: EventSummary[];
  cursor?: string;
}

/** @throws QueryError `unknown-element`, `bad-parameter` */
export function queryTimeline(context: QueryContext, query: TimelineQuery): TimelinePage {
  const { limit, cursor, ...filter } = query;
  const marked = ["timeline", context.store, filter];
  const start = cursor === undefined ? undefined : parseCursor(cursor, marked, 2, context.size);
  const size = start?.size ?? context.size;
  if (filter.element !== undefined) topHeightOf({ ...context, size }, filter.element);
  const after = start && { atMicros: start.place[0] as number, seq: start.place[1] as number };
  const rows = context.layer.timeline({ ...filter, after }, limit + 1, size);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return {
    size,
    results: page.map(summarise),
    ...(more ? { cursor: formatCursor({ size, place: [last.atMicros, last.seq] }, marked) } : {}),
  };
}
