// What one link knows of its own pace: how fast it is, what codecs do to its pushes, what its limits allow; and the choice
// of a codec for each push. It shares nothing with other links but the limit on all of them.
import type { Arrival } from "../wire/replica-client.js";
import { type CodecChoice, type CodecQuestion, chooseCodec } from "./choose-codec.js";
import type { Codec } from "./codec.js";
import { codecOf, possibleCodecs } from "./codec.js";
import { CodecExperience } from "./codec-experience.js";
import { leastLimit, type RateLimit } from "./limit-rate.js";
import { type LinkSample, LinkSpeed } from "./link-speed.js";
import type { WireMeter } from "./meter-wire.js";

export interface PaceOptions {
  compression: "auto" | "none" | "zstd";
  /** For `zstd`. */
  zstdLevel: number;
  compressedData: "auto" | "never";
  /** The program is there. */
  zstd: boolean;
  /** This link's own, and the one on all links. */
  limits: readonly RateLimit[];
  /** Milliseconds that only go forward. */
  nowMs: () => number;
}

/** What the replica said it can do. */
export interface PeerAbilities {
  /** Extents as they are on disk are safe between the two. */
  compressedData: boolean;
  zstd: boolean;
  probes: boolean;
  /** What the streams of a push that was cut are: it goes on as the same. */
  goesOnAs?: "raw" | "extents" | undefined;
}

/** As `status` shows it. */
export interface PaceStatus {
  /** What the last push travelled as, or the one under way, and why. */
  codec: string | null;
  codec_reason: string | null;
  bandwidth: {
    state: "unknown" | "measured" | "stale";
    bits_per_second: number | null;
    /** The link may be faster: something else held up what was seen. */
    at_least: boolean;
    age_seconds: number | null;
    round_trip_ms: number | null;
  };
  limit_bits_per_second: number | null;
}

/** Taken for a link of which nothing is known: below it compression pays for most pushes, above for few. */
const ASSUMED_BPS = 100e6;
/** Between these lies any link. */
const SLOWEST_BPS = 1e6;
const FASTEST_BPS = 10e9;
/** A link may have become so much slower since it was measured. */
const STALE_FACTOR = 8;
/** A probe takes half a second at the most on most links: it is made where a wrong guess could cost more than twice that. */
const MOST_REGRET_MS = 1000;
/** Extents of such pushes are counted before the choice: 1 ms a MiB, and the choice between them and zstd turns on it. */
const COUNTED_BYTES = { least: 512 * 1024, most: 64 * 1024 * 1024 };
/** A probe may be this large, as a share of the push that it is made for. */
const MOST_PROBE_SHARE = 1 / 8;

export class LinkPace {
  readonly #options: PaceOptions;
  readonly #speed = new LinkSpeed();
  readonly #experience = new CodecExperience();
  #last: string | undefined;
  #reason: string | undefined;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  get limits(): readonly RateLimit[] {
    return this.#options.limits;
  }

  noteRoundTrip(ms: number): void {
    this.#speed.noteRoundTrip(ms);
  }

  /**
   * The codec for a push of about `rawBytes`. Where a wrong guess of the link's speed would cost too much, `probe` is asked
   * first: with the most bytes it may send and the round trip. `countExtents` gives what extents as they are on disk come to.
   */
  async choose(
    rawBytes: number,
    peer: PeerAbilities,
    probe: (mostBytes: number, roundTripMs: number) => Promise<LinkSample | undefined>,
    countExtents: () => Promise<number>,
  ): Promise<CodecChoice> {
    const possible = this.#possible(peer);
    const extents = possible.find(({ name }) => name === "extents");
    const isCounted = rawBytes >= COUNTED_BYTES.least && rawBytes <= COUNTED_BYTES.most;
    if (extents && isCounted && possible.length > 1 && !peer.goesOnAs) {
      // Without the count the choice is made on what is known.
      const bytes = await countExtents().catch(() => undefined);
      if (bytes !== undefined) this.#experience.counted(extents, rawBytes, bytes);
    }
    if (peer.probes && this.#regretMs(rawBytes, possible) > MOST_REGRET_MS) {
      const sample = await probe(rawBytes * MOST_PROBE_SHARE, this.#speed.reading(this.#options.nowMs()).roundTripMs);
      if (sample) this.#speed.note(sample, this.#options.nowMs());
    }
    const choice = chooseCodec(this.#question(rawBytes, possible));
    this.#last = choice.codec.name;
    this.#reason = this.#options.compression === "auto" ? choice.reason : `${choice.reason} (configured)`;
    return { ...choice, reason: this.#reason };
  }

  /** What a push that was acked has shown. */
  pushed(codec: Codec, estimatedBytes: number, meter: WireMeter, arrival: Arrival | undefined): void {
    if (!arrival) return;
    // Headers and first byte took the same way: what lay between them here lies between them there.
    const ms = arrival.ms - meter.leadMs;
    const receiverBusyMs = Math.max(0, arrival.busyMs - meter.leadMs);
    const senderIdleMs = meter.sourceMs + meter.limitMs;
    this.#speed.note({ bytes: arrival.bytes, ms, senderIdleMs, receiverBusyMs }, this.#options.nowMs());
    // Extents are sent as they lie on disk: what they would come to otherwise is known from the files only.
    const rawBytes = codec.compressedData ? estimatedBytes : meter.sentBytes;
    const boundByPrograms = Math.max(meter.sourceMs, receiverBusyMs) > ms / 2;
    this.#experience.note(codec, { rawBytes, wireBytes: meter.bytes, ms, boundByPrograms });
  }

  status(): PaceStatus {
    const { limits } = this.#options;
    const reading = this.#speed.reading(this.#options.nowMs());
    const known = reading.state === "unknown" ? undefined : reading;
    return {
      codec: this.#last ?? null,
      codec_reason: this.#reason ?? null,
      bandwidth: {
        state: reading.state,
        bits_per_second: known ? Math.round(known.bitsPerSecond) : null,
        at_least: known?.atLeast ?? false,
        age_seconds: known ? Math.round(known.ageMs / 1000) : null,
        round_trip_ms: reading.roundTripMs > 0 ? Math.round(reading.roundTripMs * 10) / 10 : null,
      },
      limit_bits_per_second: limits.length > 0 ? Math.min(...limits.map((limit) => limit.bitsPerSecond)) : null,
    };
  }

  #possible(peer: PeerAbilities): Codec[] {
    const { compression, zstdLevel, ...here } = this.#options;
    const compressedData = here.compressedData === "auto" && peer.compressedData && peer.goesOnAs !== "raw";
    if (compression === "none") return [codecOf(compressedData, undefined)];
    if (compression === "zstd") return [codecOf(compressedData, zstdLevel)];
    const possible = possibleCodecs({ compressedData, zstd: here.zstd && peer.zstd });
    const extents = possible.filter((codec) => codec.compressedData);
    return peer.goesOnAs === "extents" && extents.length > 0 ? extents : possible;
  }

  #question(rawBytes: number, possible: readonly Codec[]): CodecQuestion {
    const reading = this.#speed.reading(this.#options.nowMs());
    const known = reading.state === "unknown" ? undefined : reading;
    const bitsPerSecond = known?.bitsPerSecond ?? ASSUMED_BPS;
    const limit = this.#limitBps();
    const isLimited = limit !== undefined && limit <= bitsPerSecond * 1.05;
    const notKnown = known ? (known.atLeast ? "at least" : undefined) : "not measured, taken as";
    return {
      rawBytes,
      path: { bitsPerSecond: isLimited ? limit : bitsPerSecond, roundTripMs: reading.roundTripMs },
      rateNote: isLimited ? "limited to" : notKnown,
      possible,
      experience: this.#experience,
      last: this.#last,
    };
  }

  /** How much longer this push could take than it need, because the link is not what it is taken for. */
  #regretMs(rawBytes: number, possible: readonly Codec[]): number {
    const reading = this.#speed.reading(this.#options.nowMs());
    if (possible.length < 2 || (reading.state === "measured" && !reading.atLeast)) return 0;
    const slowest = reading.state === "unknown" ? SLOWEST_BPS : reading.bitsPerSecond;
    const range = [reading.state === "stale" ? slowest / STALE_FACTOR : slowest, FASTEST_BPS];
    const question = this.#question(rawBytes, possible);
    const guessed = chooseCodec(question).codec;
    const regrets = range.map((bps) => {
      const path = { ...question.path, bitsPerSecond: Math.min(this.#limitBps() ?? FASTEST_BPS, bps) };
      const best = chooseCodec({ ...question, path, last: undefined });
      return this.#experience.estimateMs(guessed, rawBytes, path) - best.estimatedMs;
    });
    return Math.max(...regrets);
  }

  #limitBps(): number | undefined {
    return leastLimit(this.#options.limits);
  }
}
