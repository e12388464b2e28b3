// Decides when to seal, from the priorities of what was appended: the most urgent event that waits sets the time.
// While a seal runs, later demands fold into one that follows it. An idle ledger is never sealed.
import type { Priority } from "../../shared/format/entry.js";

/** How long an event of each priority may wait for its seal, in milliseconds. */
export type SealDelays = Record<Priority, number>;

export class SealSchedule {
  readonly #delaysMs: SealDelays;
  readonly #seal: () => Promise<void>;
  #dueAtMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** `seal` is called for one seal at a time; it handles its own failures and does not reject. */
  constructor(delaysMs: SealDelays, seal: () => Promise<void>) {
    this.#delaysMs = delaysMs;
    this.#seal = seal;
  }

  /** An event of this priority is in the ledger and waits for a seal. */
  demand(priority: Priority): void {
    this.demandWithin(this.#delaysMs[priority]);
  }

  demandWithin(delayMs: number): void {
    const dueAtMs = Date.now() + delayMs;
    if (this.#stopped || dueAtMs >= this.#dueAtMs) return;
    this.#dueAtMs = dueAtMs;
    if (!this.#running) this.#arm();
  }

  /** Waits for a seal that runs; no other follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#dueAtMs === Infinity) return;
    this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#dueAtMs - Date.now()));
  }

  #run(): void {
    this.#dueAtMs = Infinity;
    this.#running = this.#seal().finally(() => {
      this.#running = undefined;
      this.#arm();
    });
  }
}
