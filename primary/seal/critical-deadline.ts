// When a seal may no longer wait for vectors: a critical event that is to be sealed, or waits behind a seal to get into the
// ledger, has been here for as long as it may. Knows times only; the seal looks at `passed`.
import type { Priority } from "../../shared/format/entry.js";

interface InLedger {
  /** When the first and the last of them came. */
  firstAtMs: number;
  lastAtMs: number;
  lastSeq: number;
}

export class CriticalDeadline {
  readonly #deadlineMs: number;
  readonly #now: () => number;
  /** When each critical event came that has no ack yet, oldest first: as many as the ledger's queue holds. */
  readonly #coming: number[] = [];
  /** Critical events that no seal covers. */
  #unsealed: InLedger | undefined;
  #passed = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `deadlineMs` 0: a seal waits whatever comes. */
  constructor(deadlineMs: number, now: () => number = () => performance.now()) {
    this.#deadlineMs = deadlineMs;
    this.#now = now;
  }

  /** Aborts when the deadline of an event passes that the seal made now is for; to be asked for by each seal anew. */
  get passed(): AbortSignal {
    return this.#passed.signal;
  }

  /** A critical event is given to the ledger. */
  came(): void {
    if (this.#deadlineMs === 0) return;
    this.#coming.push(this.#now());
    if (this.#coming.length === 1) this.#arm();
  }

  /** The oldest that came has its ack, or was refused: the ledger answers in order. */
  settled(): void {
    this.#coming.shift();
  }

  /** Durable events, before their acks. */
  appended(events: readonly { seq: number; entry: { priority: Priority } }[]): void {
    if (this.#deadlineMs === 0) return;
    const last = events.findLast(({ entry }) => entry.priority === "critical");
    if (!last) return;
    const lastAtMs = this.#now();
    const firstAtMs = this.#unsealed?.firstAtMs ?? this.#coming[0] ?? lastAtMs;
    this.#unsealed = { firstAtMs, lastAtMs, lastSeq: last.seq };
    this.#arm();
  }

  /** A generation covers the ledger up to `size`. */
  sealed(size: number): void {
    if (this.#unsealed && this.#unsealed.lastSeq < size) this.#unsealed = undefined;
    // Of those that came while it was made only the last one's time is known.
    else if (this.#unsealed) this.#unsealed.firstAtMs = this.#unsealed.lastAtMs;
    if (this.#passed.signal.aborted) this.#passed = new AbortController();
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const sinceMs = Math.min(this.#unsealed?.firstAtMs ?? Infinity, this.#coming[0] ?? Infinity);
    if (sinceMs === Infinity || this.#passed.signal.aborted) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, sinceMs + this.#deadlineMs - this.#now()));
    this.#timer.unref();
  }

  /** What the timer was set for may have been settled since: refused, or a duplicate. */
  #look(): void {
    const sinceMs = Math.min(this.#unsealed?.firstAtMs ?? Infinity, this.#coming[0] ?? Infinity);
    if (sinceMs + this.#deadlineMs <= this.#now()) this.#passed.abort();
    else this.#arm();
  }
}
