// The progress bar of `ingest`, on standard error and only on a terminal: bytes sent when the size is known, events
// answered, and the rate.

export interface ProgressBarOptions {
  output: { write(text: string): unknown; columns?: number | undefined };
  sizeBytes: number | undefined;
  shown: boolean;
}

const REDRAW_MS = 100;
const BAR_CHARS = 24;
const CLEAR_LINE = "\r\u001b[K";

export class ProgressBar {
  readonly #options: ProgressBarOptions;
  #bytes = 0;
  #events = 0;
  #startedMillis = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProgressBarOptions) {
    this.#options = options;
  }

  start(): void {
    this.#startedMillis = performance.now();
    if (this.#options.shown) this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  addEvent(): void {
    this.#events += 1;
  }

  /** A line above the bar. */
  print(line: string): void {
    this.#options.output.write(`${this.#timer ? CLEAR_LINE : ""}${line}\n`);
  }

  stop(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#options.output.write(CLEAR_LINE);
  }

  #draw(): void {
    const { output, sizeBytes } = this.#options;
    const seconds = Math.max(0.001, (performance.now() - this.#startedMillis) / 1000);
    const events = `${this.#events} events, ${Math.round(this.#events / seconds)}/s`;
    const line = sizeBytes
      ? `${drawBar(this.#bytes / sizeBytes)} ${events}`
      : `${mebibytes(this.#bytes)} MiB, ${events}`;
    output.write(`${CLEAR_LINE}${line.slice(0, (output.columns ?? 80) - 1)}`);
  }
}

function drawBar(share: number): string {
  const full = Math.round(Math.min(1, share) * BAR_CHARS);
  return `[${"#".repeat(full)}${".".repeat(BAR_CHARS - full)}] ${Math.round(Math.min(1, share) * 100)} %`;
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
