// How long a body took to arrive: what its sender's socket has swallowed has not arrived, so only this end can say. It
// listens beside whoever reads the body, and delays nothing.
import type { Readable } from "node:stream";
import { ARRIVAL_HEADERS, type ArrivalHeaders } from "../../shared/protocol/protocol.js";

export class ArrivalMeter {
  #bytes = 0;
  #lastMs = 0;
  #busyMs = 0;
  /** Since when nobody takes bytes; `undefined` while someone does. */
  #busySinceMs: number | undefined = 0;
  readonly #beganMs = performance.now();

  /** Its clock starts now: with the request's headers, before the body is read. */
  constructor(body: Readable) {
    // Listening would set the body flowing, past whoever comes to read it.
    body.pause();
    body.on("data", (chunk: Buffer) => {
      this.#bytes += chunk.length;
      this.#lastMs = this.#elapsedMs();
    });
    body.on("pause", () => {
      this.#busySinceMs ??= this.#elapsedMs();
    });
    body.on("resume", () => this.#taken());
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** As of the last byte so far. */
  get headers(): ArrivalHeaders {
    return {
      [ARRIVAL_HEADERS.bytes]: this.#bytes,
      [ARRIVAL_HEADERS.ms]: Math.round(this.#lastMs * 10) / 10,
      [ARRIVAL_HEADERS.busyMs]: Math.round(this.#busyMs * 10) / 10,
    };
  }

  #taken(): void {
    if (this.#busySinceMs !== undefined) this.#busyMs += this.#elapsedMs() - this.#busySinceMs;
    this.#busySinceMs = undefined;
  }

  #elapsedMs(): number {
    return performance.now() - this.#beganMs;
  }
}
