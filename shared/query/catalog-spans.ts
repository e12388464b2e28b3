// Events of the catalog counted by their names: those of a span of time, and those that a catch-up has filled in ahead of
// the answers. SQLite counts by ids; names are joined to what is left.
import type { Prepare } from "./catalog-rows.js";
import type { EventGroup, TimeSpan } from "./event-layer.js";
import { MemoryTallies, type Named } from "./tallies.js";

// By the index on time, whatever else SQLite might think of.
const GROUPS = (ids: string) => `SELECT ${ids}, count(*) AS count, min(seq) AS firstSeq, max(seq) AS lastSeq
  FROM entries INDEXED BY entries_timeline WHERE at BETWEEN ? AND ? AND +seq < ? GROUP BY ${ids}`;
const NAMES = "ty.name AS type, ac.name AS action, ar.name AS actor, g.count, g.firstSeq, g.lastSeq";
const JOINS = `CROSS JOIN names ty ON ty.id = g.type CROSS JOIN names ac ON ac.id = g.action
  CROSS JOIN names ar ON ar.id = g.actor`;
const BY_NAMES = `SELECT ${NAMES} FROM (${GROUPS("type, action, actor")}) g ${JOINS}`;
const BY_ELEMENT = `SELECT el.name AS element, ${NAMES} FROM (${GROUPS("element, type, action, actor")}) g
  CROSS JOIN elements el ON el.id = g.element ${JOINS}`;

export function groupEvents(prepare: Prepare, span: TimeSpan, byElement: boolean, below: number): EventGroup[] {
  const statement = prepare(byElement ? BY_ELEMENT : BY_NAMES);
  return statement.all(span.fromMicros, span.toMicros, below) as EventGroup[];
}

const AHEAD = `SELECT ty.name AS type, ac.name AS action, ar.name AS actor,
    so.name AS source, pr.name AS priority, g.count AS count
  FROM (
    SELECT type, action, actor, source, priority, count(*) AS count
    FROM entries WHERE seq >= ? GROUP BY type, action, actor, source, priority
  ) g
  CROSS JOIN names ty ON ty.id = g.type
  CROSS JOIN names ac ON ac.id = g.action CROSS JOIN names ar ON ar.id = g.actor
  CROSS JOIN names so ON so.id = g.source CROSS JOIN names pr ON pr.id = g.priority`;

/** The counts of the rows from `below` on: usually there are none. */
export function countAhead(prepare: Prepare, below: number): MemoryTallies {
  const ahead = new MemoryTallies();
  for (const row of prepare(AHEAD).all(below) as (Named<string> & { count: number })[]) ahead.add(row, row.count);
  return ahead;
}
