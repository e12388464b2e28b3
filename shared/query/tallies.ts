// How many events have a name, or two names together: what `stats` prints and what `anomalies` measures the unusual
// against. The catalog keeps these counts as it is filled, so that no query has to read all entries to know them.

/** What an event is named by. */
export type NameColumn = "type" | "action" | "actor" | "source" | "priority";
export type Named<Name> = Readonly<Record<NameColumn, Name>>;

/** The counts that are kept, each by one column or by two. The catalog stores a kind as its place in this list. */
export const TALLIES = {
  type: ["type"],
  action: ["action"],
  actor: ["actor"],
  source: ["source"],
  priority: ["priority"],
  "type-action": ["type", "action"],
  "type-actor": ["type", "actor"],
} as const satisfies Record<string, readonly [NameColumn, NameColumn?]>;

export type TallyKind = keyof typeof TALLIES;
export const TALLY_KINDS = Object.keys(TALLIES) as TallyKind[];
/** Kinds of one column. */
export const NAME_TALLIES = ["type", "action", "actor", "source", "priority"] as const satisfies TallyKind[];
export type NameTally = (typeof NAME_TALLIES)[number];

export interface NameCount {
  name: string;
  count: number;
}

export interface Frequent {
  /** Different names there are. */
  names: number;
  /** The most frequent first; equal ones by name. */
  most: NameCount[];
}

/** To be asked within one turn of the event loop: counts move with the catalog. */
export interface Tallies {
  /** Events with this name, or with both of a kind of two columns. */
  count(kind: TallyKind, first: string, second?: string): number;
  /** Names of a kind of one column; or, of a kind of two, those that come with `first`. */
  frequent(kind: TallyKind, limit: number, first?: string): Frequent;
}

/** Counts in memory, of names or of their ids. */
export class TallyCounts<Name> {
  readonly #kinds = TALLY_KINDS.map((kind) => {
    const [first, second] = TALLIES[kind] as readonly [NameColumn, NameColumn?];
    return { kind, first, second, counts: new Map<Name, Map<Name | undefined, number>>() };
  });

  add(event: Named<Name>, count = 1): void {
    for (const { first, second, counts } of this.#kinds) {
      const inner = counts.get(event[first]) ?? new Map<Name | undefined, number>();
      const name = second && event[second];
      inner.set(name, (inner.get(name) ?? 0) + count);
      counts.set(event[first], inner);
    }
  }

  /** By first name, then by second. */
  of(kind: TallyKind): ReadonlyMap<Name, ReadonlyMap<Name | undefined, number>> {
    return (this.#kinds[TALLY_KINDS.indexOf(kind)] as { counts: Map<Name, Map<Name | undefined, number>> }).counts;
  }
}

/** The counts of a few events, such as those of the tail. */
export class MemoryTallies implements Tallies {
  readonly #counts = new TallyCounts<string>();

  add(event: Named<string>, count?: number): void {
    this.#counts.add(event, count);
  }

  count(kind: TallyKind, first: string, second?: string): number {
    return this.#counts.of(kind).get(first)?.get(second) ?? 0;
  }

  frequent(kind: TallyKind, limit: number, first?: string): Frequent {
    const counts = this.#counts.of(kind);
    const names = first === undefined ? [...counts.keys()] : [...(counts.get(first)?.keys() ?? [])];
    const all = names.map((name = "") => ({ name, count: this.count(kind, ...namesOf(first, name)) }));
    return { names: all.length, most: all.sort(byCount).slice(0, limit) };
  }
}

/** Several layers' counts as one. */
export class LayeredTallies implements Tallies {
  /** Oldest first. The layers above the lowest are small: they are held in memory. */
  readonly #layers: readonly Tallies[];

  constructor(layers: readonly Tallies[]) {
    this.#layers = layers;
  }

  count(kind: TallyKind, first: string, second?: string): number {
    return this.#layers.reduce((sum, layer) => sum + layer.count(kind, first, second), 0);
  }

  /**
   * Every name of the upper layers is a candidate, and so many more of the lowest than asked for: a name that the upper
   * layers do not have can be pushed back only by as many names as they have.
   */
  frequent(kind: TallyKind, limit: number, first?: string): Frequent {
    const [lowest, ...upper] = this.#layers;
    if (!lowest) return { names: 0, most: [] };
    const all = Number.MAX_SAFE_INTEGER;
    const above = new Set(upper.flatMap((layer) => layer.frequent(kind, all, first).most.map(({ name }) => name)));
    const below = lowest.frequent(kind, limit + above.size, first);
    const candidates = below.most.filter(({ name }) => !above.has(name));
    for (const name of above) candidates.push({ name, count: this.count(kind, ...namesOf(first, name)) });
    const most = candidates.sort(byCount);
    const onlyAbove = [...above].filter((name) => lowest.count(kind, ...namesOf(first, name)) === 0).length;
    return { names: below.names + onlyAbove, most: most.slice(0, limit) };
  }
}

export function byCount(a: NameCount, b: NameCount): number {
  return b.count - a.count || compareNames(a.name, b.name);
}

/** The order of SQLite's BINARY collation, which JavaScript's own differs from beyond U+D7FF. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The names to count by: of a kind of two columns the first is given. */
export function namesOf(first: string | undefined, name: string): [string, string?] {
  return first === undefined ? [name] : [first, name];
}
