// The elements of a catalog in order of name, each with its newest event. By an index on names, for all elements and for
// those of a type or a source; the newest event is one step in the index on chains. No entry is read that is not shown.
import { EVENT_COLUMNS, JOIN_NAMES, type Prepare, readRows } from "./catalog-rows.js";
import type { ElementFilter, EventRow } from "./event-layer.js";
import { compareNames } from "./tallies.js";

// `+seq` leaves the height to be what the index is searched by.
const NEWEST = `CROSS JOIN entries e ON e.seq =
  (SELECT seq FROM entries WHERE element = el.id AND +seq < ? ORDER BY height DESC LIMIT 1)`;

type IdOf = (name: string) => number | undefined;

/** At most `limit` of the elements that the filter leaves; `idOf` gives the ids of types and sources. */
export function listElements(
  prepare: Prepare,
  idOf: IdOf,
  filter: ElementFilter,
  limit: number,
  below: number,
): EventRow[] {
  const source = filter.source === undefined ? undefined : idOf(filter.source);
  if (filter.source !== undefined && source === undefined) return [];
  const list = (facet?: number, type?: number) => listOne(prepare, { facet, type, source, filter, limit, below });
  if (!filter.types) return list(source);
  const ids = new Set(filter.types.map(idOf).filter((id) => id !== undefined));
  // Each event has one type, so no element is in two of the lists.
  return [...ids]
    .flatMap((type) => list(type, type))
    .sort((a, b) => compareNames(a.element, b.element))
    .slice(0, limit);
}

interface OneList {
  /** The type or source whose list is read; undefined reads that of all elements. */
  facet: number | undefined;
  type: number | undefined;
  source: number | undefined;
  filter: ElementFilter;
  limit: number;
  below: number;
}

/** An element stands in the list of every type and source it ever had, so those of the newest event are checked. */
function listOne(prepare: Prepare, { facet, type, source, filter, limit, below }: OneList): EventRow[] {
  const { low, op, end } = rangeOf(filter);
  const name = facet === undefined ? "el.name" : "f.name";
  const from = facet === undefined ? "elements el" : "facets f CROSS JOIN elements el ON el.id = f.element";
  const terms: [string, number | string | undefined][] = [
    ["f.facet = ?", facet],
    [`${name} ${op} ?`, low],
    [`${name} < ?`, end],
    ["e.type = ?", type],
    ["e.source = ?", source],
  ];
  const used = terms.filter(([, value]) => value !== undefined);
  const sql = `SELECT ${EVENT_COLUMNS} FROM ${from} ${NEWEST} ${JOIN_NAMES}
    WHERE ${used.map(([term]) => term).join(" AND ")} ORDER BY ${name} LIMIT ?`;
  return readRows(prepare(sql), below, ...used.map(([, value]) => value), limit);
}

/** Names that begin with the prefix and come after `after`. */
function rangeOf({ prefix, after }: ElementFilter): { low: string; op: ">" | ">="; end: string | undefined } {
  const past = after !== undefined && compareNames(after, prefix) >= 0;
  return { low: past ? after : prefix, op: past ? ">" : ">=", end: endOfPrefix(prefix) };
}

/** The least text greater than all that begin with `prefix`; undefined if there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = [...prefix].map((one) => one.codePointAt(0) as number);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // Surrogates are no characters: after U+D7FF comes U+E000.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}
