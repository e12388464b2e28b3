// What is known of one link's speed: an exponentially averaged estimate from what real pushes and probes took to arrive.
// Pure: the caller gives the time. A push that something else held up only says that the link is at least so fast.
import { rateOf } from "./transfer-time.js";

/** What one push or probe says of the link. */
export interface LinkSample {
  /** Bytes that arrived. */
  bytes: number;
  /** From when the first byte could have come to the last one, by the receiver's clock. */
  ms: number;
  /** Of it, time in which the sender had nothing to give: the send, the compressor or a limit was slower. */
  senderIdleMs: number;
  /** Of it, time in which the receiver took nothing: its own work was slower. */
  receiverBusyMs: number;
}

export type SpeedReading =
  /** A round trip of 0 is not known. */
  | { state: "unknown"; roundTripMs: number }
  | {
      /** `stale`: nothing has measured it for a while. */
      state: "measured" | "stale";
      bitsPerSecond: number;
      /** Only pushes that something else held up were seen: it may be faster. */
      atLeast: boolean;
      ageMs: number;
      roundTripMs: number;
    };

/** A link that carried nothing for so long may be another one by now. */
export const STALE_MS = 10 * 60_000;
/** Less than this arrives in one read or two, and its time is chance. */
const LEAST_SAMPLE_BYTES = 16 * 1024;
const LEAST_SAMPLE_MS = 2;
/** Above these shares of its time a push was bound by its sender or by its receiver, and not by the link. */
const MOST_IDLE = 0.4;
const MOST_BUSY = 0.25;
/** Weight of a sample of half a second and more, and of the shortest. */
const MOST_WEIGHT = 0.5;
const LEAST_WEIGHT = 0.1;
const FULL_WEIGHT_MS = 500;
const ROUND_TRIPS = 8;

export class LinkSpeed {
  #bitsPerSecond: number | undefined;
  #atLeast = true;
  #notedAtMs = 0;
  readonly #roundTripsMs: number[] = [];
  #hasHeard = false;

  /** The time of an exchange without a body. Much can make one longer, so the shortest of the last few counts. */
  noteRoundTrip(ms: number): void {
    // The first finds both daemons busy with their start.
    if (this.#hasHeard) this.#roundTripsMs.push(ms);
    this.#hasHeard = true;
    if (this.#roundTripsMs.length > ROUND_TRIPS) this.#roundTripsMs.shift();
  }

  note(sample: LinkSample, nowMs: number): void {
    const { bytes, ms, senderIdleMs, receiverBusyMs } = sample;
    if (bytes < LEAST_SAMPLE_BYTES || ms < LEAST_SAMPLE_MS) return;
    const heldUp = senderIdleMs > MOST_IDLE * ms || receiverBusyMs > MOST_BUSY * ms;
    const rate = heldUp ? undefined : rateOf(bytes, ms, this.#roundTripMs());
    if (rate === undefined) this.#noteAtLeast((bytes * 8000) / ms, nowMs);
    else this.#noteRate(rate, ms, nowMs);
  }

  reading(nowMs: number): SpeedReading {
    const roundTripMs = this.#roundTripMs();
    if (this.#bitsPerSecond === undefined) return { state: "unknown", roundTripMs };
    const ageMs = Math.max(0, nowMs - this.#notedAtMs);
    const state = ageMs > STALE_MS ? "stale" : "measured";
    return { state, bitsPerSecond: this.#bitsPerSecond, atLeast: this.#atLeast, ageMs, roundTripMs };
  }

  #roundTripMs(): number {
    return this.#roundTripsMs.length > 0 ? Math.min(...this.#roundTripsMs) : 0;
  }

  #noteRate(rate: number, ms: number, nowMs: number): void {
    const known = this.#bitsPerSecond;
    const old = known === undefined || this.#atLeast || nowMs - this.#notedAtMs > STALE_MS;
    const weight = LEAST_WEIGHT + (MOST_WEIGHT - LEAST_WEIGHT) * Math.min(1, ms / FULL_WEIGHT_MS);
    // Times are averaged, not rates: times are what is foretold, and a burst out of a buffer weighs little in them.
    this.#bitsPerSecond = old ? rate : 1 / ((1 - weight) / known + weight / rate);
    this.#atLeast = false;
    this.#notedAtMs = nowMs;
  }

  #noteAtLeast(rate: number, nowMs: number): void {
    const known = this.#bitsPerSecond ?? 0;
    const old = nowMs - this.#notedAtMs > STALE_MS;
    if (rate < known && !(old && this.#atLeast)) return;
    this.#bitsPerSecond = rate;
    this.#atLeast = true;
    this.#notedAtMs = nowMs;
  }
}
