// The limits on bytes that leave: a bucket for each link with a limit and one for all links together. It decides when a
// slice may go, and nothing else: bytes keep their order, none is dropped, and waiting for a turn is not a stall.
import { setTimeout as sleep } from "node:timers/promises";

/** ssh, TCP and IP headers of full packets, which the line carries too. */
const LINE_BYTES_PER_BYTE = 1.05;
/** Of each slice besides: node's HTTP client writes a chunk's length, data and ends of lines as four packets of ssh. */
const SLICE_BYTES = 150;
/** What a bucket holds at the most: this much time of its rate. It also makes good a timer that rings late. */
const BURST_MS = 50;
/** Turns are short, so that links change often and a waiting replica sees bytes well within its stall time. */
const TURN_MS = 20;
const LEAST_TURN_BYTES = 4096;
const MOST_TURN_BYTES = 64 * 1024;
const SIGN_OF_LIFE_MS = 250;

export interface LimitClock {
  nowMs(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

const MACHINE_CLOCK: LimitClock = {
  nowMs: () => performance.now(),
  wait: async (ms, signal) => void (await sleep(ms, undefined, { signal })),
};

export class RateLimit {
  readonly bitsPerSecond: number;
  readonly #clock: LimitClock;
  /** When all that was promised so far will have gone. */
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(bitsPerSecond: number, clock: LimitClock = MACHINE_CLOCK) {
    this.bitsPerSecond = bitsPerSecond;
    this.#clock = clock;
  }

  /** Bytes of the stream a second that keep the line within the limit. */
  get bytesPerSecond(): number {
    return this.bitsPerSecond / 8 / LINE_BYTES_PER_BYTE;
  }

  /** What to ask for at once. */
  get turnBytes(): number {
    const wanted = Math.floor((this.bytesPerSecond * TURN_MS) / 1000);
    return Math.min(MOST_TURN_BYTES, Math.max(LEAST_TURN_BYTES, wanted));
  }

  /**
   * Resolves when `bytes` may go. Links that share a bucket get their turns in the order in which they ask, and each asks
   * for one at a time: so they share it evenly. A wait that is aborted has used up its turn.
   */
  async take(bytes: number, { signal, onWait }: LimitWait): Promise<void> {
    const beginMs = Math.max(this.#freeAtMs, this.#clock.nowMs() - BURST_MS);
    const dueMs = beginMs + (bytes / this.bytesPerSecond) * 1000;
    this.#freeAtMs = dueMs;
    for (let waitMs = dueMs - this.#clock.nowMs(); waitMs > 0; waitMs = dueMs - this.#clock.nowMs()) {
      onWait?.();
      await this.#clock.wait(Math.min(waitMs, SIGN_OF_LIFE_MS), signal);
    }
  }
}

export interface LimitWait {
  signal: AbortSignal;
  /** Called now and then during a wait. */
  onWait?: (() => void) | undefined;
}

/** The slowest of the limits, in bits of the stream a second; `undefined` without any. */
export function leastLimit(limits: readonly RateLimit[]): number | undefined {
  if (limits.length === 0) return undefined;
  return Math.min(...limits.map(({ bytesPerSecond }) => bytesPerSecond * 8));
}

/** What one push may send: turns of equal size from each of its limits, used up chunk by chunk. */
export class Allowance {
  readonly #limits: readonly RateLimit[];
  readonly #wait: LimitWait;
  #leftBytes = 0;

  constructor(limits: readonly RateLimit[], wait: LimitWait) {
    this.#limits = limits;
    this.#wait = wait;
  }

  /** `chunk`, in slices that may go at once; as it is where there is no limit. */
  async *spend(chunk: Buffer): AsyncGenerator<Buffer, void, void> {
    if (this.#limits.length === 0) yield chunk;
    else
      for (let at = 0; at < chunk.length; ) {
        while (this.#leftBytes <= SLICE_BYTES) await this.#takeTurn();
        const slice = chunk.subarray(at, at + this.#leftBytes - SLICE_BYTES);
        this.#leftBytes -= slice.length + SLICE_BYTES;
        at += slice.length;
        yield slice;
      }
  }

  async #takeTurn(): Promise<void> {
    const turnBytes = Math.min(...this.#limits.map((limit) => limit.turnBytes));
    for (const limit of this.#limits) await limit.take(turnBytes, this.#wait);
    this.#leftBytes += turnBytes;
  }
}
