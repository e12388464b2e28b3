// The catalog's counts, less those of rows that are not answered yet: the table speaks for all rows filled in, and a
// catch-up under way is ahead of the answers.
import type { Prepare } from "./catalog-rows.js";
import {
  byCount,
  type Frequent,
  type MemoryTallies,
  type NameCount,
  namesOf,
  TALLY_KINDS,
  type Tallies,
  type TallyKind,
} from "./tallies.js";
import { NO_NAME } from "./write-tallies.js";

export class CatalogTallies implements Tallies {
  readonly #prepare: Prepare;
  readonly #ahead: MemoryTallies;
  readonly #ids = new Map<string, number | undefined>();

  /** `ahead` has the counts of the rows that the table counts and the answer leaves out. */
  constructor(prepare: Prepare, ahead: MemoryTallies) {
    this.#prepare = prepare;
    this.#ahead = ahead;
  }

  count(kind: TallyKind, first: string, second?: string): number {
    const ids = [this.#idOf(first), second === undefined ? NO_NAME : this.#idOf(second)];
    if (ids.includes(undefined)) return 0;
    const sql = "SELECT n FROM tallies WHERE kind = ? AND first = ? AND second = ?";
    const stored = this.#prepare(sql)
      .pluck()
      .get(TALLY_KINDS.indexOf(kind), ...ids) as number | undefined;
    return (stored ?? 0) - this.#ahead.count(kind, first, second);
  }

  frequent(kind: TallyKind, limit: number, first?: string): Frequent {
    const ahead = this.#ahead.frequent(kind, Number.MAX_SAFE_INTEGER, first).most;
    // As many more as can fall behind when what is ahead is taken off.
    const stored = this.#stored(kind, limit + ahead.length, first);
    const most = stored
      .map(({ name, count }) => ({ name, count: count - this.#ahead.count(kind, ...namesOf(first, name)) }))
      .filter(({ count }) => count > 0);
    const onlyAhead = ahead.filter(({ name }) => this.count(kind, ...namesOf(first, name)) === 0).length;
    return { names: this.#storedNames(kind, first) - onlyAhead, most: most.sort(byCount).slice(0, limit) };
  }

  #stored(kind: TallyKind, limit: number, first: string | undefined): NameCount[] {
    const [column, where, values] = this.#rangeOf(kind, first);
    const sql = `SELECT n.name AS name, t.n AS count FROM tallies t CROSS JOIN names n ON n.id = t.${column}
      WHERE ${where} ORDER BY t.n DESC, n.name LIMIT ?`;
    return this.#prepare(sql).all(...values, limit) as NameCount[];
  }

  #storedNames(kind: TallyKind, first: string | undefined): number {
    const [, where, values] = this.#rangeOf(kind, first);
    return this.#prepare(`SELECT count(*) FROM tallies t WHERE ${where}`)
      .pluck()
      .get(...values) as number;
  }

  #rangeOf(kind: TallyKind, first: string | undefined): ["first" | "second", string, number[]] {
    const code = TALLY_KINDS.indexOf(kind);
    if (first === undefined) return ["first", "t.kind = ?", [code]];
    // No row has a first name of id 0.
    return ["second", "t.kind = ? AND t.first = ?", [code, this.#idOf(first) ?? NO_NAME]];
  }

  #idOf(name: string): number | undefined {
    if (!this.#ids.has(name)) {
      const id = this.#prepare("SELECT id FROM names WHERE name = ?").pluck().get(name);
      this.#ids.set(name, id as number | undefined);
    }
    return this.#ids.get(name);
  }
}
