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
/** What a sample of half a second and more leaves of those before it, and what the shortest does. */
const LEAST_KEPT = 0.35;
const MOST_KEPT = 0.9;
const FULL_SAMPLE_MS = 500;
const ROUND_TRIPS = 8;

export class LinkSpeed {
  /**
   * Bytes of the last samples, and what they took without TCP's slow beginning, each sample fading with those that follow. The
   * rate is the one over the other: a lost packet, which holds a push up for 200 ms whatever its size (RFC 6298, as Linux has it),
   * then says little of the link if the push was a short one.
   */
  #seen: { bytes: number; ms: number } | undefined;
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
    if (rate === undefined) this.#noteAtLeast(sample, nowMs);
    else this.#noteRate(rate, sample, nowMs);
  }

  reading(nowMs: number): SpeedReading {
    const roundTripMs = this.#roundTripMs();
    const bitsPerSecond = this.#bitsPerSecond;
    if (bitsPerSecond === undefined) return { state: "unknown", roundTripMs };
    const ageMs = Math.max(0, nowMs - this.#notedAtMs);
    const state = ageMs > STALE_MS ? "stale" : "measured";
    return { state, bitsPerSecond, atLeast: this.#atLeast, ageMs, roundTripMs };
  }

  #roundTripMs(): number {
    return this.#roundTripsMs.length > 0 ? Math.min(...this.#roundTripsMs) : 0;
  }

  get #bitsPerSecond(): number | undefined {
    return this.#seen && (this.#seen.bytes * 8000) / this.#seen.ms;
  }

  #noteRate(rate: number, { bytes, ms }: LinkSample, nowMs: number): void {
    const isOld = this.#atLeast || nowMs - this.#notedAtMs > STALE_MS;
    const kept = isOld ? 0 : MOST_KEPT - (MOST_KEPT - LEAST_KEPT) * Math.min(1, ms / FULL_SAMPLE_MS);
    const before = this.#seen ?? { bytes: 0, ms: 0 };
    this.#seen = { bytes: kept * before.bytes + bytes, ms: kept * before.ms + (bytes * 8000) / rate };
    this.#atLeast = false;
    this.#notedAtMs = nowMs;
  }

  #noteAtLeast({ bytes, ms }: LinkSample, nowMs: number): void {
    const isOld = nowMs - this.#notedAtMs > STALE_MS;
    if ((bytes * 8000) / ms < (this.#bitsPerSecond ?? 0) && !(isOld && this.#atLeast)) return;
    this.#seen = { bytes, ms };
    this.#atLeast = true;
    this.#notedAtMs = nowMs;
  }
}
