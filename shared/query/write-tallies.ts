// What the catalog keeps besides its rows: the counts of `tallies`, and under which types and sources an element is listed
// (`facets`). Written in the transaction of the rows they speak for, so that they can never tell of other rows.
import type Database from "better-sqlite3";
import { type Named, TALLY_KINDS, TallyCounts } from "./tallies.js";

/** Elements whose last type and source are kept in memory; past this the memory is dropped and filled again. */
const MOST_REMEMBERED = 100_000;
/** Stands for the second name of a kind that has only one; names' ids start at 1. */
export const NO_NAME = 0;

export class TallyWriter {
  readonly #addCount: Database.Statement;
  readonly #addFacet: Database.Statement;
  /** Events whose names are all the same, of which there are few kinds: counted once each, and not for every tally. */
  readonly #counted = new Map<string, { names: Named<number>; count: number }>();
  readonly #listed = new Map<number, { type: number; source: number }>();

  constructor(db: Database.Database) {
    this.#addCount = db.prepare(
      "INSERT INTO tallies (kind, first, second, n) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
    );
    this.#addFacet = db.prepare("INSERT OR IGNORE INTO facets (facet, name, element) VALUES (?, ?, ?)");
  }

  /** `names` are the ids of what one event is named by, `element` is the id of its element. */
  add(names: Named<number>, element: number, elementName: string): void {
    const { type, action, actor, source, priority } = names;
    const key = `${type} ${action} ${actor} ${source} ${priority}`;
    const known = this.#counted.get(key);
    if (known) known.count += 1;
    else this.#counted.set(key, { names, count: 1 });
    const listed = this.#listed.get(element);
    if (listed?.type === type && listed.source === source) return;
    if (this.#listed.size >= MOST_REMEMBERED) this.#listed.clear();
    this.#listed.set(element, { type, source });
    for (const facet of [type, source]) this.#addFacet.run(facet, elementName, element);
  }

  /** Before the transaction of the rows ends. */
  flush(): void {
    const counts = new TallyCounts<number>();
    for (const { names, count } of this.#counted.values()) counts.add(names, count);
    this.#counted.clear();
    for (const [code, kind] of TALLY_KINDS.entries()) {
      for (const [first, inner] of counts.of(kind)) {
        for (const [second = NO_NAME, count] of inner) this.#addCount.run(code, first, second, count);
      }
    }
  }

  /** After a transaction that was rolled back: what is remembered is not there. */
  forget(): void {
    this.#counted.clear();
    this.#listed.clear();
  }
}
