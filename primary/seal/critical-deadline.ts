// When a seal may no longer wait for vectors: for so long it has waited while a critical event was among what it seals, or
// waited behind it to get into the ledger. Knows times only; the seal looks at the signal that it got from `begin`.
import type { Priority } from "../../shared/format/entry.js";

export class CriticalDeadline {
  readonly #deadlineMs: number;
  readonly #now: () => number;
  /** When each critical event came that has no ack yet, oldest first: as many as the ledger's queue holds. */
  readonly #coming: number[] = [];
  /** Critical events that no seal covers: when the first came, and the last one's number. */
  #unsealed: { sinceMs: number; lastSeq: number } | undefined;
  #seal: { beganAtMs: number; passed: AbortController } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `deadlineMs` 0: a seal waits whatever comes. */
  constructor(deadlineMs: number, now: () => number = () => performance.now()) {
    this.#deadlineMs = deadlineMs;
    this.#now = now;
  }

  /** A seal begins; one that began before has failed or is done. The signal aborts when its deadline passes. */
  begin(): AbortSignal {
    const passed = new AbortController();
    this.#seal = { beganAtMs: this.#now(), passed };
    this.#arm();
    return passed.signal;
  }

  /** The seal's generation stands, and covers the ledger up to `size`. */
  sealed(size: number): void {
    if (this.#unsealed && this.#unsealed.lastSeq < size) this.#unsealed = undefined;
    this.#seal = undefined;
    clearTimeout(this.#timer);
  }

  /** A critical event is given to the ledger. */
  came(): void {
    this.#coming.push(this.#now());
    if (this.#coming.length === 1) this.#arm();
  }

  /** The oldest that came has its ack, or was refused: the ledger answers in order. */
  settled(): void {
    this.#coming.shift();
  }

  /** Durable events, before their acks. */
  appended(events: readonly { seq: number; entry: { priority: Priority } }[]): void {
    const last = events.findLast(({ entry }) => entry.priority === "critical");
    if (!last) return;
    const sinceMs = this.#unsealed?.sinceMs ?? this.#coming[0] ?? this.#now();
    this.#unsealed = { sinceMs, lastSeq: last.seq };
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const leftMs = this.#leftMs();
    if (leftMs === Infinity) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, leftMs));
    this.#timer.unref();
  }

  /** Whom the timer was set for may be gone: refused, or a duplicate. */
  #look(): void {
    if (this.#leftMs() <= 0) this.#seal?.passed.abort();
    else this.#arm();
  }

  /** Until the deadline of the seal that is made now; for ever if it has none. */
  #leftMs(): number {
    const seal = this.#seal;
    const sinceMs = Math.min(this.#unsealed?.sinceMs ?? Infinity, this.#coming[0] ?? Infinity);
    if (this.#deadlineMs === 0 || !seal || seal.passed.signal.aborted) return Infinity;
    return Math.max(seal.beganAtMs, sinceMs) + this.#deadlineMs - this.#now();
  }
}
