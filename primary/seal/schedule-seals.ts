// Has seals made when the strategy says that they are due. It knows what waits and holds the one timer; `seal-strategy.ts`
// decides. While a seal runs, what comes folds into one that follows it. An idle ledger is never sealed.
import type { Priority } from "../../shared/format/entry.js";
import {
  addWaiting,
  describeStrategy,
  dueInMs,
  type Moment,
  NOTHING_WAITS,
  type SealStrategy,
  soonMs,
} from "./seal-strategy.js";

export interface SealScheduleParts {
  strategy: SealStrategy;
  /** Called for one seal at a time. It handles its own failures, asks for another try with `soon`, and does not reject. */
  seal: () => Promise<void>;
  clock?: () => Moment;
}

/** What `status` says of it. */
export interface SealScheduleState {
  strategy: SealStrategy["kind"];
  /** The strategy with its settings, for people. */
  setting: string;
  /** Events that wait for the next generation. */
  waiting: number;
  /** When it is due at the latest; null where nothing waits. */
  due: string | null;
  running: boolean;
}

/**
 * The longest sleep. Timers stand still while the host sleeps, do not hear that the clock was set, and overflow above
 * 2^31 ms: so the time is looked at again.
 */
const MAX_SLEEP_MS = 5000;

export class SealSchedule {
  readonly #strategy: SealStrategy;
  readonly #seal: () => Promise<void>;
  readonly #clock: () => Moment;
  #waiting = NOTHING_WAITS;
  /** When a seal that no strategy holds up is due, by the monotonic clock. */
  #demandedAtMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor({ strategy, seal, clock = readClocks }: SealScheduleParts) {
    this.#strategy = strategy;
    this.#seal = seal;
    this.#clock = clock;
  }

  /** So many events of each priority are in the ledger and wait for a generation. */
  appended(counts: ReadonlyMap<Priority, number>): void {
    this.#waiting = addWaiting(this.#waiting, counts, this.#clock());
    this.#arm();
  }

  /** A seal's entry stands in the ledger, whoever asked for the seal: what waited until then is in its generation. */
  enclosed(): void {
    this.#waiting = NOTHING_WAITS;
    this.#arm();
  }

  /** Something waits that no strategy holds up: what a start found unsealed, or what a failed seal left. */
  soon(): void {
    this.demandWithin(soonMs(this.#strategy));
  }

  demandWithin(delayMs: number): void {
    this.#demandedAtMs = Math.min(this.#demandedAtMs, this.#clock().monotonicMs + delayMs);
    this.#arm();
  }

  state(): SealScheduleState {
    const now = this.#clock();
    const dueAtMs = now.wallMs + this.#dueInMs(now);
    return {
      strategy: this.#strategy.kind,
      setting: describeStrategy(this.#strategy),
      waiting: this.#waiting.events,
      due: dueAtMs === Infinity ? null : new Date(dueAtMs).toISOString(),
      running: this.#running !== undefined,
    };
  }

  /** Waits for a seal that runs; no other follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const inMs = this.#dueInMs();
    if (this.#stopped || this.#running || inMs === Infinity) return;
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(0, Math.ceil(inMs)), MAX_SLEEP_MS));
  }

  #look(): void {
    if (this.#dueInMs() <= 0) this.#run();
    else this.#arm();
  }

  #dueInMs(now = this.#clock()): number {
    return Math.min(dueInMs(this.#strategy, this.#waiting, now), this.#demandedAtMs - now.monotonicMs);
  }

  #run(): void {
    // Forgotten before it is made: a seal that fails asks for another by itself, and all of this is in that one.
    this.#waiting = NOTHING_WAITS;
    this.#demandedAtMs = Infinity;
    this.#running = this.#seal().finally(() => {
      this.#running = undefined;
      this.#arm();
    });
  }
}

function readClocks(): Moment {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}
