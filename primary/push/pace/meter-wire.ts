// The last stage of a push before the connection: counts what leaves, keeps to the limits, and notes whose fault each
// pause was: the source's, a limit's, or the link's.
import { Allowance, type RateLimit } from "./limit-rate.js";

/** Where the time of a stream went, in milliseconds, from `begin` to the last byte that was handed to the connection. */
export class WireMeter {
  /** Bytes on the wire. */
  bytes = 0;
  /** Bytes of the send streams, before any compression. */
  sentBytes = 0;
  /** From the request's headers to its first byte. */
  leadMs = 0;
  /** Waiting for the source, after the first byte. */
  sourceMs = 0;
  /** Waiting for a turn under a limit. */
  limitMs = 0;
  /** Waiting for the connection to take more. */
  linkMs = 0;
  #atMs = performance.now();

  /** The request's headers leave now. */
  begin(): void {
    this.#atMs = performance.now();
  }

  addSent(bytes: number): void {
    this.sentBytes += bytes;
  }

  /** Milliseconds since the last call. */
  lap(): number {
    const nowMs = performance.now();
    const ms = nowMs - this.#atMs;
    this.#atMs = nowMs;
    return ms;
  }
}

export interface MeterOptions {
  meter: WireMeter;
  limits: readonly RateLimit[];
  signal: AbortSignal;
  /** Told of every slice on its way out. */
  onBytes: (bytes: number) => void;
  /** Told now and then while a push waits for its turn under a limit: that is no stall. */
  onWait?: (() => void) | undefined;
}

export async function* meterWire(
  source: AsyncIterable<Buffer>,
  { meter, limits, signal, onBytes, onWait }: MeterOptions,
): AsyncGenerator<Buffer, void, void> {
  const allowance = new Allowance(limits, { signal, onWait });
  for await (const chunk of source) {
    if (meter.bytes === 0) meter.leadMs += meter.lap();
    else meter.sourceMs += meter.lap();
    for await (const slice of allowance.spend(chunk)) {
      meter.limitMs += meter.lap();
      meter.bytes += slice.length;
      onBytes(slice.length);
      yield slice;
      meter.linkMs += meter.lap();
    }
  }
}
