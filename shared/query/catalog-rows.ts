// How an event is read from the catalog's tables: the columns and joins that make an EventRow.
import type { Statement } from "better-sqlite3";
import type { EventRow } from "./event-layer.js";

/** Statements are prepared once and kept. */
export type Prepare = (sql: string) => Statement;

interface StoredRow extends Omit<EventRow, "atMicros"> {
  at: number;
}

export const EVENT_COLUMNS = `e.seq AS seq, e.hash AS hash, el.name AS element, ty.name AS type, ac.name AS action,
  ar.name AS actor, so.name AS source, pr.name AS priority, e.at AS at, e.height AS height`;
// CROSS JOIN keeps SQLite from starting at a names table: the filters are on `e`, and its order is the answer's.
export const JOIN_NAMES = `CROSS JOIN names ty ON ty.id = e.type CROSS JOIN names ac ON ac.id = e.action
  CROSS JOIN names ar ON ar.id = e.actor CROSS JOIN names so ON so.id = e.source
  CROSS JOIN names pr ON pr.id = e.priority`;
export const SELECT_EVENTS = `SELECT ${EVENT_COLUMNS} FROM entries e
  CROSS JOIN elements el ON el.id = e.element ${JOIN_NAMES}`;

export function readRows(statement: Statement, ...values: unknown[]): EventRow[] {
  return (statement.all(...values) as StoredRow[]).map(({ at, ...row }) => ({ ...row, atMicros: at }));
}
