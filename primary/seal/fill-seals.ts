// When rows that fill a space get a generation of their own: seldom, because nobody waits for them and each generation is
// pushed to the fleet; and surely, because a fill may be all that happens. Any other seal takes them along.

import { intervalMs } from "./seal-interval.js";
import type { SealStrategy } from "./seal-strategy.js";

/** A fill of a million events makes some hundred generations, not thousands. */
const LEAST_PACE_MS = 30_000;
/** A larger increment would hold up what is pushed behind it. */
const MOST_BYTES = 128 * 1024 * 1024;

export class FillSeals {
  readonly #paceMs: number;
  readonly #now: () => number;
  #bytes = 0;
  #sinceMs = 0;
  #ended = false;

  constructor(strategy: SealStrategy, now: () => number = () => performance.now()) {
    this.#paceMs = fillPaceMs(strategy);
    this.#now = now;
  }

  /** So many bytes of rows were written. */
  wrote(bytes: number): void {
    if (this.#bytes === 0) this.#sinceMs = this.#now();
    this.#bytes += bytes;
  }

  /** A fill ends with the next generation, and someone may wait for it. */
  ended(): void {
    this.#ended = true;
  }

  /** A generation holds all of it. */
  sealed(): void {
    this.#bytes = 0;
    this.#ended = false;
  }

  /** 0 is now, `Infinity` is not at all. */
  dueInMs(): number {
    if (this.#ended || this.#bytes >= MOST_BYTES) return 0;
    if (this.#bytes === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#sinceMs + this.#paceMs - this.#now());
  }
}

/** As long as the least urgent event may wait. */
export function fillPaceMs(strategy: SealStrategy): number {
  switch (strategy.kind) {
    case "realtime":
      return LEAST_PACE_MS;
    case "batch":
      return Math.max(LEAST_PACE_MS, strategy.maxDelayMs);
    case "priority":
      return Math.max(LEAST_PACE_MS, strategy.delaysMs.low);
    case "interval":
      return strategy.interval === "per-op" ? LEAST_PACE_MS : Math.max(LEAST_PACE_MS, intervalMs(strategy.interval));
  }
}
