// Bounds how many pushes do their costly part at the same time. A push takes a turn when it begins and gives it back when it
// ends or, at the latest, after a while: from then on it waits for its link and costs next to nothing, and a link that
// is slow for an hour must not take another's turn.

export class PushTurns {
  readonly #most: number;
  readonly #lendMs: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  /** `most` pushes at a time, each for at most `lendMs`. */
  constructor(most: number, lendMs: number) {
    this.#most = most;
    this.#lendMs = lendMs;
  }

  /** Pushes that hold a turn, and pushes that wait for one. */
  get state(): { taken: number; waiting: number } {
    return { taken: this.#taken, waiting: this.#waiting.length };
  }

  /** `push` in its turn, first come, first served. @throws the reason of `signal`, or what `push` throws */
  async run<T>(push: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#take(signal);
    let isBack = false;
    const giveBack = () => {
      if (isBack) return;
      isBack = true;
      clearTimeout(timer);
      this.#taken -= 1;
      this.#waiting.shift()?.();
    };
    const timer = setTimeout(giveBack, this.#lendMs);
    timer.unref();
    try {
      return await push();
    } finally {
      giveBack();
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // Whoever gives a turn back wakes one that waits; another may have come in between.
    while (this.#taken >= this.#most) await this.#wait(signal);
    this.#taken += 1;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(wake), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(wake);
    });
  }
}
