// How a link waits: until there is a new generation, until somebody orders something, or for some time.

export class LinkWaits {
  #woken = false;
  #ordered = false;
  #end: (isOrder: boolean) => void = () => undefined;

  /** There is something new. It ends no pause after a failure: that would be one attempt for each seal. */
  wake(): void {
    this.#woken = true;
    this.#end(false);
  }

  /** Somebody waits for what is done next. */
  order(): void {
    this.#woken = true;
    this.#ordered = true;
    this.#end(true);
  }

  /** Whatever has come so far is looked at from here on; what comes later ends the next pause at once. */
  looked(): void {
    this.#woken = false;
    this.#ordered = false;
  }

  /** Resolves true when woken or ordered, or when `signal` is aborted; false when `delayMs` have passed in quiet. */
  pause(delayMs: number, signal: AbortSignal, { onlyOrders = false } = {}): Promise<boolean> {
    if (this.#ordered || (this.#woken && !onlyOrders) || signal.aborted) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (woken: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
        // A pause that was given up when the link broke must not undo the one that came after it.
        if (this.#end === wake) this.#end = () => undefined;
        resolve(woken);
      };
      const wake = (isOrder: boolean) => {
        if (isOrder || !onlyOrders) end(true);
      };
      const stop = () => end(true);
      const timer = setTimeout(() => end(false), delayMs);
      signal.addEventListener("abort", stop, { once: true });
      this.#end = wake;
    });
  }
}
