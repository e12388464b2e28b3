// Work that failed is done again by itself, after pauses that grow: what it failed for may pass (a full disk, too many open
// files) without any news that would have it done.
import type { Logger } from "../log.js";

export interface RetriesOptions {
  /** Nothing is done again once it is aborted. */
  signal: AbortSignal;
  log: Logger;
  /** The first pause; each one is twice as long as that before it, up to a minute. Default 1000. */
  leastPauseMs?: number | undefined;
}

interface Failing {
  reason: string;
  pauseMs: number;
  timer: NodeJS.Timeout;
}

const LEAST_PAUSE_MS = 1000;
const MOST_PAUSE_MS = 60_000;

export class Retries {
  readonly #options: RetriesOptions;
  /** By the store. */
  readonly #failing = new Map<string, Failing>();

  constructor(options: RetriesOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => {
      for (const { timer } of this.#failing.values()) clearTimeout(timer);
    });
  }

  /** Has `again` called after a pause, in the place of any other for the store. A reason is a warning once. */
  failed(store: string, error: Error, again: () => void): void {
    const { signal, log, leastPauseMs = LEAST_PAUSE_MS } = this.#options;
    if (signal.aborted) return;
    const before = this.#failing.get(store);
    const pauseMs = before?.pauseMs ?? leastPauseMs;
    const level = error.message === before?.reason ? "debug" : "warn";
    log[level]("queries cannot catch up, trying again", { store, pause_ms: pauseMs, error });
    clearTimeout(before?.timer);
    const timer = setTimeout(() => {
      // Not when it fails: several may fail at once for one reason.
      failing.pauseMs = Math.min(MOST_PAUSE_MS, pauseMs * 2);
      again();
    }, pauseMs).unref();
    const failing: Failing = { reason: error.message, pauseMs, timer };
    this.#failing.set(store, failing);
  }

  /** The store's work is begun at once, for it has news: if that fails too, the next pause is the first again. */
  begin(store: string): void {
    const failing = this.#failing.get(store);
    if (!failing) return;
    clearTimeout(failing.timer);
    failing.pauseMs = this.#options.leastPauseMs ?? LEAST_PAUSE_MS;
  }

  passed(store: string): void {
    clearTimeout(this.#failing.get(store)?.timer);
    this.#failing.delete(store);
  }
}
