// Counts under two names, such as an event's source and its priority, where the first comes from whoever writes events:
// once there are many, new ones are counted together. Scrapes would otherwise grow with what a client makes up.

export interface CountedPair {
  first: string;
  second: string;
  count: number;
}

/** Everything past the bound is counted under this name. */
export const OTHER = "other";

export class BoundedCounts {
  readonly #mostNames: number;
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(mostNames: number) {
    this.#mostNames = mostNames;
  }

  add(first: string, second: string, count = 1): void {
    const name = this.#counts.has(first) || this.#counts.size < this.#mostNames ? first : OTHER;
    const inner = this.#counts.get(name) ?? new Map<string, number>();
    if (inner.size === 0) this.#counts.set(name, inner);
    inner.set(second, (inner.get(second) ?? 0) + count);
  }

  *pairs(): Generator<CountedPair> {
    for (const [first, inner] of this.#counts) for (const [second, count] of inner) yield { first, second, count };
  }
}
