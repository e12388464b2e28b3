// How far a transfer is: one line on a terminal, drawn over a few times a second.
import { formatMebibytes } from "../config/parse-size.js";

export interface TransferLineOptions {
  output: { write(text: string): unknown; columns?: number | undefined };
  shown: boolean;
}

const REDRAW_MS = 200;
const CLEAR_LINE = "\r\u001b[K";

export class TransferLine {
  readonly #options: TransferLineOptions;
  #name = "";
  #sizeBytes: number | undefined;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TransferLineOptions) {
    this.#options = options;
  }

  /** The next file. */
  start(name: string, sizeBytes: number | undefined): void {
    this.#name = name;
    this.#sizeBytes = sizeBytes;
    this.#bytes = 0;
    if (this.#options.shown) this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  end(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#options.output.write(CLEAR_LINE);
  }

  #draw(): void {
    const { output } = this.#options;
    const of = this.#sizeBytes === undefined ? "" : ` of ${formatMebibytes(this.#sizeBytes)}`;
    const line = `${this.#name}: ${formatMebibytes(this.#bytes)}${of}`;
    output.write(`${CLEAR_LINE}${line.slice(0, (output.columns ?? 80) - 1)}`);
  }
}
