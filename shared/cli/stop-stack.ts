// What has been started, to be stopped in reverse: at the daemon's end, and when its start fails half-way. A part that
// cannot be stopped does not keep the others running, or the process would live on without doing its work.

export class StopStack {
  #stops: (() => unknown)[] = [];

  /** To be called at the end, before what was added earlier. */
  add(stop: () => unknown): void {
    this.#stops.push(stop);
  }

  /** @throws the first failure, after all have been tried */
  async stop(): Promise<void> {
    const failures: unknown[] = [];
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Starts with a stack at hand; if that fails, what was started is stopped, and the failure is the start's. */
export async function startOrStop<T>(start: (stops: StopStack) => Promise<T>): Promise<T> {
  const stops = new StopStack();
  try {
    return await start(stops);
  } catch (error) {
    await stops.stop().catch(() => undefined);
    throw error;
  }
}
