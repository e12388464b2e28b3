// The promoted layer: answers from the catalog, and from the stored bytes it points at. Every statement leaves out rows
// at or above `below`, so rows of a catch-up under way are never seen.
import { segmentName } from "../format/segment-name.js";
import type { Catalog } from "./catalog.js";
import { listElements } from "./catalog-elements.js";
import { type Prepare, readRows, SELECT_EVENTS as SELECT } from "./catalog-rows.js";
import { WORD_WEIGHTS } from "./catalog-schema.js";
import { countAhead, groupEvents } from "./catalog-spans.js";
import { CatalogTallies } from "./catalog-tallies.js";
import type {
  ElementFilter,
  EventGroup,
  EventLayer,
  EventRow,
  StoredEvent,
  TextFilter,
  TextHit,
  TimelineFilter,
  TimeSpan,
} from "./event-layer.js";
import type { StoredReader } from "./read-stored.js";
import type { Tallies } from "./tallies.js";

export class CatalogLayer implements EventLayer {
  readonly #prepare: Prepare;
  readonly #reader: () => StoredReader;

  constructor(catalog: Catalog, reader: () => StoredReader) {
    this.#prepare = catalog.prepare;
    this.#reader = reader;
  }

  bySeq(seq: number, below: number): EventRow | undefined {
    return seq < below ? this.#rows(`${SELECT} WHERE e.seq = ?`, seq)[0] : undefined;
  }

  byHash(prefix: string, limit: number, below: number): EventRow[] {
    const head = prefix.slice(0, 16);
    const least = Buffer.from(head.padEnd(16, "0"), "hex");
    const most = Buffer.from(head.padEnd(16, "f"), "hex");
    const where = "WHERE substr(e.hash, 1, 8) BETWEEN ? AND ? AND e.seq < ? AND lower(hex(e.hash)) >= ?";
    return this.#rows(`${SELECT} ${where} ORDER BY e.seq LIMIT ?`, least, most, below, prefix, limit * 4)
      .filter((row) => row.hash.toString("hex").startsWith(prefix))
      .slice(0, limit);
  }

  topHeight(element: string, below: number): number {
    const id = this.#idOf("elements", element);
    if (id === undefined) return -1;
    const sql = "SELECT height FROM entries WHERE element = ? AND +seq < ? ORDER BY height DESC LIMIT 1";
    return (this.#prepare(sql).pluck().get(id, below) as number | undefined) ?? -1;
  }

  chain(element: string, fromHeight: number, limit: number, below: number): EventRow[] {
    const id = this.#idOf("elements", element);
    if (id === undefined) return [];
    const where = "WHERE e.element = ? AND e.height >= ? AND +e.seq < ?";
    return this.#rows(`${SELECT} ${where} ORDER BY e.height, e.at LIMIT ?`, id, fromHeight, below, limit);
  }

  lastAt(element: string, atMicros: number, below: number): EventRow | undefined {
    const id = this.#idOf("elements", element);
    if (id === undefined) return undefined;
    const where = "WHERE e.element = ? AND e.at <= ? AND +e.seq < ?";
    return this.#rows(`${SELECT} ${where} ORDER BY e.height DESC LIMIT 1`, id, atMicros, below)[0];
  }

  firstMicros(element: string, below: number): number | undefined {
    const sql = `SELECT min(at) FROM entries INDEXED BY entries_chain
      WHERE element = (SELECT id FROM elements WHERE name = ?) AND +seq < ?`;
    return (this.#prepare(sql).pluck().get(element, below) as number | null) ?? undefined;
  }

  timeline(filter: TimelineFilter, limit: number, below: number): EventRow[] {
    const terms = ["+e.seq < ?", "e.at >= ?", "e.at <= ?"];
    const values: (number | string)[] = [below, filter.fromMicros, filter.toMicros];
    for (const column of ["type", "actor", "action", "element"] as const) {
      const name = filter[column];
      if (name === undefined) continue;
      const id = this.#idOf(column === "element" ? "elements" : "names", name);
      if (id === undefined) return [];
      terms.push(`e.${column} = ?`);
      values.push(id);
    }
    if (filter.after) {
      const [past, beyond] = filter.reverse ? ["<=", "<"] : [">=", ">"];
      terms.push(`e.at ${past} ? AND (e.at ${beyond} ? OR +e.seq ${beyond} ?)`);
      values.push(filter.after.atMicros, filter.after.atMicros, filter.after.seq);
    }
    const order = filter.reverse ? "ORDER BY e.at DESC, e.seq DESC" : "ORDER BY e.at, e.seq";
    return this.#rows(`${SELECT} WHERE ${terms.join(" AND ")} ${order} LIMIT ?`, ...values, limit);
  }

  elements(filter: ElementFilter, limit: number, below: number): EventRow[] {
    return listElements(this.#prepare, (name) => this.#idOf("names", name), filter, limit, below);
  }

  /** All elements there are, less those that begin at or above `below`. */
  elementCount(below: number): number {
    const all = this.#prepare("SELECT count(*) FROM elements").pluck().get() as number;
    const later = this.#prepare("SELECT count(*) FROM entries WHERE seq >= ? AND height = 0").pluck().get(below);
    return all - (later as number);
  }

  countBetween({ fromMicros, toMicros }: TimeSpan, below: number): number {
    const sql = "SELECT count(*) FROM entries WHERE at BETWEEN ? AND ? AND +seq < ?";
    return this.#prepare(sql).pluck().get(fromMicros, toMicros, below) as number;
  }

  groups(span: TimeSpan, byElement: boolean, below: number): EventGroup[] {
    return groupEvents(this.#prepare, span, byElement, below);
  }

  tallies(below: number): Tallies {
    return new CatalogTallies(this.#prepare, countAhead(this.#prepare, below));
  }

  countBefore(element: string, action: string | undefined, beforeMicros: number, most: number, below: number): number {
    // By the chain: the index on actions would go through those of all elements.
    const sql = `SELECT count(*) FROM (SELECT 1 FROM entries INDEXED BY entries_chain
      WHERE element = (SELECT id FROM elements WHERE name = ?) AND at < ? AND +seq < ?
      ${action === undefined ? "" : "AND action = (SELECT id FROM names WHERE name = ?)"} LIMIT ?)`;
    const values = [element, beforeMicros, below, ...(action === undefined ? [] : [action]), most];
    return this.#prepare(sql).pluck().get(values) as number;
  }

  text(words: readonly string[], limit: number, below: number, filter: TextFilter = {}): TextHit[] {
    const { holding, among } = filter;
    // `+rowid`, or FTS5 would look up the words, and count them all, once for each of the events.
    const sql = `SELECT rowid AS seq, -bm25(words, ${WORD_WEIGHTS}) AS score FROM words
      WHERE words MATCH ? AND rowid < ? ${among ? "AND +rowid IN (SELECT value FROM json_each(?))" : ""}
      ORDER BY score DESC, rowid DESC LIMIT ?`;
    const match = holding ? `(${anyOf(holding)}) AND (${anyOf(words)})` : anyOf(words);
    return this.#prepare(sql).all(match, below, ...(among ? [JSON.stringify(among)] : []), limit) as TextHit[];
  }

  holding(words: readonly string[], limit: number, below: number): number[] {
    const sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?";
    return this.#prepare(sql).pluck().all(anyOf(words), below, limit) as number[];
  }

  countHolding(word: string, below: number): number {
    const sql = "SELECT count(*) FROM words WHERE words MATCH ? AND rowid < ?";
    return this.#prepare(sql).pluck().get(quoted(word), below) as number;
  }

  /** By common beginning first (a person often has the end wrong), then by words in common. */
  near(element: string, limit: number, below: number): string[] {
    const found = new Set<string>();
    const begin = this.#prepare("SELECT name FROM elements WHERE name >= ? AND name < ? ORDER BY name LIMIT ?").pluck();
    for (let length = element.length; length >= 2 && found.size < limit; length = Math.floor(length * 0.75)) {
      const head = element.slice(0, length);
      for (const name of begin.all(head, `${head}\u{10ffff}`, limit)) found.add(name as string);
    }
    const words = element.match(/[\p{L}\p{N}]+/gu) ?? [];
    if (found.size < limit && words.length > 0) {
      for (const { seq } of this.text(words, limit * 4, below)) found.add(this.bySeq(seq, below)?.element ?? element);
    }
    return [...found].filter((name) => this.topHeight(name, below) >= 0).slice(0, limit);
  }

  stored(row: EventRow): StoredEvent {
    const place = this.#prepare(
      `SELECT entry_file, entry_offset, entry_length, payload_file, payload_offset, payload_length
       FROM entries WHERE seq = ?`,
    ).get(row.seq) as Record<string, number>;
    const at = (name: string) => place[name] as number;
    const file = segmentName(at("entry_file"), "jsonl");
    const payloadFile = segmentName(at("payload_file"), "jsonl");
    const reader = this.#reader();
    return {
      entry: reader.entry(file, at("entry_offset"), at("entry_length")),
      payload: reader.payload(payloadFile, at("payload_offset"), at("payload_length")),
      leaf: reader.leaf(row.seq),
      file: `entries/${file}`,
      offset: at("entry_offset"),
      payloadFile: `payloads/${payloadFile}`,
      payloadOffset: at("payload_offset"),
    };
  }

  #rows(sql: string, ...values: unknown[]): EventRow[] {
    return readRows(this.#prepare(sql), ...values);
  }

  #idOf(table: "elements" | "names", name: string): number | undefined {
    return this.#prepare(`SELECT id FROM ${table} WHERE name = ?`).pluck().get(name) as number | undefined;
  }
}

function anyOf(words: readonly string[]): string {
  return words.map(quoted).join(" OR ");
}

/** An FTS5 string: what stands between the quotes is taken as words, never as operators. */
function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
