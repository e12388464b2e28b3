// Bounds how many pushes do their costly part at the same time. A push takes a turn when it begins and gives it back when it
// ends or, at the latest, after a while: from then on it waits for its link and costs next to nothing, and a link that
// is slow for an hour must not take another's turn.
import { setTimeout as sleep } from "node:timers/promises";
import PQueue from "p-queue";

export class PushTurns {
  readonly #queue: PQueue;
  readonly #lendMs: number;

  /** `most` pushes at a time, each for at most `lendMs`. */
  constructor(most: number, lendMs: number) {
    this.#queue = new PQueue({ concurrency: most });
    this.#lendMs = lendMs;
  }

  /** Pushes that hold a turn, and pushes that wait for one. */
  get state(): { taken: number; waiting: number } {
    return { taken: this.#queue.pending, waiting: this.#queue.size };
  }

  /** `push` in its turn, first come, first served. @throws the reason of `signal`, or what `push` throws */
  run<T>(push: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason);
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      void this.#queue.add(async () => {
        signal.removeEventListener("abort", leave);
        // Who left while waiting is passed over.
        if (signal.aborted) return leave();
        const pushed = push();
        pushed.then(resolve, reject);
        await this.#untilBack(pushed);
      });
    });
  }

  async #untilBack(pushed: Promise<unknown>): Promise<void> {
    const ended = new AbortController();
    const lent = sleep(this.#lendMs, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
    await Promise.race([pushed.catch(() => undefined), lent]);
    ended.abort();
  }
}
