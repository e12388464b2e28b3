// How far a store on this replica is behind its primary, in seconds, measured here: since when there is something that
// the primary has told of and that is not here yet. Pure: whoever calls says what time it is. A primary that says nothing
// tells of nothing new: how long it has been silent must be looked at as well.

export interface Head {
  /** Entries in the ledger, sealed or not. */
  size: number;
  generation: number;
}

export interface Lag {
  /** For how long an entry that the primary told of has not been here; 0 when all are. Entries wait for their seal first. */
  entriesSeconds: number;
  /** The same of sealed generations: those could be here. */
  generationsSeconds: number;
  /** Entries told of that are not here. */
  entriesBehind: number;
}

/** Marks of one kind; past it, neighbours are joined, which makes a lag look longer, never shorter. */
const MOST_MARKS = 256;

export class LagMeter {
  readonly #entries = new ToldMarks();
  readonly #generations = new ToldMarks();
  #told: Head | undefined;
  #toldAtMs: number | undefined;

  /** What the primary said last, and when. Undefined before it has said anything. */
  get told(): (Head & { atMs: number }) | undefined {
    return this.#told && this.#toldAtMs !== undefined ? { ...this.#told, atMs: this.#toldAtMs } : undefined;
  }

  heard(told: Head, held: Head, nowMs: number): void {
    this.#told = told;
    this.#toldAtMs = nowMs;
    this.#entries.told(told.size, nowMs);
    this.#generations.told(told.generation, nowMs);
    this.holds(held);
  }

  /** What is here now. */
  holds({ size, generation }: Head): void {
    this.#entries.reached(size);
    this.#generations.reached(generation);
  }

  /** Undefined before the primary has said anything: nothing is known then. */
  lag(held: Head, nowMs: number): Lag | undefined {
    if (!this.#told) return undefined;
    this.holds(held);
    return {
      entriesSeconds: this.#entries.ageMs(nowMs) / 1000,
      generationsSeconds: this.#generations.ageMs(nowMs) / 1000,
      entriesBehind: Math.max(0, this.#told.size - held.size),
    };
  }
}

/** When each level that has not been reached was first told of, ascending. */
class ToldMarks {
  #marks: { level: number; atMs: number }[] = [];

  told(level: number, atMs: number): void {
    // A primary that was put back to an older day tells of less: what it told of before is no promise any more.
    this.#marks = this.#marks.filter((mark) => mark.level <= level);
    if ((this.#marks.at(-1)?.level ?? 0) < level) this.#marks.push({ level, atMs });
    if (this.#marks.length > MOST_MARKS) this.#thinOut();
  }

  reached(level: number): void {
    while ((this.#marks[0]?.level ?? Number.POSITIVE_INFINITY) <= level) this.#marks.shift();
  }

  ageMs(nowMs: number): number {
    const [oldest] = this.#marks;
    return oldest ? Math.max(0, nowMs - oldest.atMs) : 0;
  }

  /** Joins each two: the later one's level with the earlier one's time. */
  #thinOut(): void {
    this.#marks = this.#marks.flatMap((mark, i, all) => {
      const next = all[i + 1];
      if (i % 2 === 1) return [];
      return [next ? { level: next.level, atMs: mark.atMs } : mark];
    });
  }
}
