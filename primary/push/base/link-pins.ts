// The generations that must stay because of one replica: the base that it holds, and what was sent to it and not acked, which
// it may hold as well. Pure state. A pin that is let go (bound-pins.ts says when) is remembered: the replica needs all of
// the store then, and its link must say so until it has it.

export interface Pin {
  generation: number;
  /** Since when there is a newer one; `undefined` while it is the newest, and costs nothing. */
  supersededMs: number | undefined;
}

/** What was pinned until a bound was passed. */
export interface LostBase {
  generation: number;
  /** The bound, in words. */
  reason: string;
  atMs: number;
}

export class LinkPins {
  readonly #pins = new Map<number, Pin>();
  #lost: LostBase | undefined;
  /** The push under way. */
  #push: object | undefined;

  has(generation: number): boolean {
    return this.#pins.has(generation);
  }

  /** Oldest first. */
  get list(): readonly Pin[] {
    return [...this.#pins.values()].sort((a, b) => a.generation - b.generation);
  }

  get lost(): LostBase | undefined {
    return this.#lost;
  }

  /** A push is under way: its base and what it sends stay, whatever they cost. */
  get isPushing(): boolean {
    return this.#push !== undefined;
  }

  /** From now on only these stay, by what the replica said or acked. Whether that changed anything. */
  replace(generations: readonly number[]): boolean {
    const before = [...this.#pins.keys()].sort().join();
    const kept = generations.map((generation) => this.#pins.get(generation) ?? { generation, supersededMs: undefined });
    this.#pins.clear();
    for (const pin of kept) this.#pins.set(pin.generation, pin);
    // It holds something to build on: whatever was let go is not missed.
    if (generations.length > 0) this.#lost = undefined;
    return before !== [...this.#pins.keys()].sort().join();
  }

  /** `supersededMs`: as it was noted before a restart. */
  add(generation: number, supersededMs?: number): void {
    if (!this.#pins.has(generation)) this.#pins.set(generation, { generation, supersededMs });
  }

  /** Returns what ends it. A push that outlives its connection for a moment must not end the one that came after it. */
  pushBegins(generation: number): () => void {
    const push = {};
    this.#push = push;
    this.add(generation);
    return () => {
      if (this.#push === push) this.#push = undefined;
    };
  }

  /** `newest` is the newest generation now: pins of older ones begin to cost something. */
  noteNewest(newest: number, nowMs: number): void {
    for (const pin of this.#pins.values()) {
      if (pin.generation < newest) pin.supersededMs ??= nowMs;
    }
  }

  /** Lets everything go. Never while a push is under way. */
  letGo(reason: string, nowMs: number): LostBase | undefined {
    const generation = this.list[0]?.generation;
    if (generation === undefined || this.isPushing) return undefined;
    this.#pins.clear();
    this.#lost = { generation, reason, atMs: nowMs };
    return this.#lost;
  }

  /** After a restart: what was let go before it. */
  restoreLost(lost: LostBase): void {
    this.#lost = lost;
  }
}
