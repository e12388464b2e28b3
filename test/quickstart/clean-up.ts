// What must be undone, however the run ends: done, failed, Ctrl-C, SIGTERM, a closed terminal or pipe. Steps run in
// reverse order, every one of them even if another fails; a second signal does not cut them short.

type Step = () => Promise<unknown>;

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

export class CleanUp {
  readonly #steps: Step[] = [];
  readonly #ending = new AbortController();
  /** Set when a signal ended the run. */
  exitCode: number | undefined;

  constructor() {
    for (const [name, code] of Object.entries(EXIT_CODES)) {
      process.on(name as NodeJS.Signals, () => this.#end(code));
    }
    // `| head` that has seen enough.
    process.stdout.on("error", () => this.#end(0));
    process.stderr.on("error", () => undefined);
  }

  /** Fires with the first signal. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  add(step: Step): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      await step().catch((error: Error) => process.stderr.write(`quickstart: not cleaned up: ${error.message}\n`));
    }
  }

  #end(code: number): void {
    if (this.#ending.signal.aborted) return;
    this.exitCode = code;
    process.stderr.write("\nquickstart: cleaning up\n");
    this.#ending.abort();
  }
}
