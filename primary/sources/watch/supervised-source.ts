// A source that comes back: its work is run again after every failure, later each time, and what is wrong stands in
// `status`. Whatever it throws stays here and never reaches the primary.
import { keepRunning } from "../../../shared/keep-running.js";
import type { Logger } from "../../../shared/log.js";
import type { Source, SourceState } from "../source.js";
import type { ElementWriter } from "./element-writer.js";

export interface SupervisedSourceOptions {
  name: string;
  log: Logger;
  writer: ElementWriter;
  /** Watches until the signal fires; connects anew each time it is called. Ending earlier is a failure. */
  watch(signal: AbortSignal): Promise<void>;
  /** What `status` shows beside the writer's counts; its `problem` counts while the source is watching. */
  state?(): SourceState;
  leastDelayMs?: number;
}

export class SupervisedSource implements Source {
  readonly name: string;
  readonly #options: SupervisedSourceOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;
  #problem: string | undefined;

  constructor(options: SupervisedSourceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Returns at once: what a source watches may not be there yet. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => this.#stop.abort(), { once: true });
    const { writer, watch, log, name, leastDelayMs } = this.#options;
    writer.start();
    this.#running = keepRunning(watch, {
      signal: this.#stop.signal,
      ...(leastDelayMs === undefined ? {} : { leastDelayMs }),
      onEnd: (error, delayMs) => {
        this.#failures += 1;
        this.#problem = error?.message ?? "it ended by itself";
        writer.blind(this.#problem);
        const fields = { source: name, delay_ms: Math.round(delayMs), error: error ?? this.#problem };
        log.warn("event source failed, it will come back", fields);
      },
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#options.writer.stop();
  }

  state(): SourceState {
    const counts = this.#options.writer.state();
    const own = this.#options.state?.();
    // What went wrong before it came to watch again is history.
    const problem = (counts.watching ? own?.problem : this.#problem) ?? null;
    return { ...counts, ...own, failures: this.#failures, problem };
  }
}
