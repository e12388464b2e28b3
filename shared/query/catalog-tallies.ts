// The catalog's counts, less those of rows that are not answered yet: the table speaks for all rows filled in, and a
// catch-up under way is ahead of the answers.
import type { Prepare } from "./catalog-rows.js";
import {
  byCount,
  type Frequent,
  type MemoryTallies,
  type NameTally,
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

  frequent(kind: NameTally, limit: number): Frequent {
    const code = TALLY_KINDS.indexOf(kind);
    const ahead = this.#ahead.frequent(kind, Number.MAX_SAFE_INTEGER).most;
    // As many more as can fall behind when what is ahead is taken off.
    const stored = this.#prepare(
      `SELECT n.name AS name FROM tallies t CROSS JOIN names n ON n.id = t.first WHERE t.kind = ?
       ORDER BY t.n DESC, n.name LIMIT ?`,
    )
      .pluck()
      .all(code, limit + ahead.length) as string[];
    const most = stored.map((name) => ({ name, count: this.count(kind, name) })).filter(({ count }) => count > 0);
    const all = this.#prepare("SELECT count(*) FROM tallies WHERE kind = ?").pluck().get(code) as number;
    const onlyAhead = ahead.filter(({ name }) => this.count(kind, name) === 0).length;
    return { names: all - onlyAhead, most: most.sort(byCount).slice(0, limit) };
  }

  #idOf(name: string): number | undefined {
    if (!this.#ids.has(name)) {
      const id = this.#prepare("SELECT id FROM names WHERE name = ?").pluck().get(name);
      this.#ids.set(name, id as number | undefined);
    }
    return this.#ids.get(name);
  }
}
