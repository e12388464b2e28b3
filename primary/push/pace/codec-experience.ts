// What each codec does to pushes of one link: how small it makes them and how fast. It begins with what was measured on
// several kinds of events, and every push corrects it. Pure.
import type { Codec } from "./codec.js";
import { type LinkPath, transferMs } from "./transfer-time.js";

interface Prior {
  /** Raw bytes for a byte on the wire, of a large push. */
  ratio: number;
  /** A push of this size comes to half of that: small ones are names and hashes, and nothing to compare with. */
  halfBytes: number;
  /** Raw bytes a millisecond, from the send here to the receive there, over a link that is no hindrance. */
  bytesPerMs: number;
  /** Until the programs are there: one more at each end with zstd, to be started and ended, whose tables grow with its level. */
  startMs: number;
}

/**
 * Medians over increments of 1 to 20,000 events: sshd's and OpenStack's logs, packages, units, interfaces. Half of an entry
 * is hashes, which nothing makes smaller: so level 1 is as good as any up to 15. Extents are smaller the more events were
 * written at once: 1.3 to 5.
 */
const PRIORS: Record<string, Prior> = {
  raw: { ratio: 1, halfBytes: 0, bytesPerMs: 180e3, startMs: 0 },
  extents: { ratio: 3.5, halfBytes: 70e3, bytesPerMs: 1000e3, startMs: 0 },
  "extents+zstd-1": { ratio: 5.3, halfBytes: 28e3, bytesPerMs: 600e3, startMs: 25 },
  "zstd-1": { ratio: 6.1, halfBytes: 28e3, bytesPerMs: 150e3, startMs: 25 },
  "zstd-3": { ratio: 5.7, halfBytes: 28e3, bytesPerMs: 120e3, startMs: 26 },
  "zstd-9": { ratio: 6.0, halfBytes: 28e3, bytesPerMs: 45e3, startMs: 35 },
  "zstd-19": { ratio: 6.9, halfBytes: 28e3, bytesPerMs: 1e3, startMs: 90 },
};
/** A level that only the configuration names. */
const OTHER_ZSTD: Prior = { ratio: 5.5, halfBytes: 28e3, bytesPerMs: 20e3, startMs: 45 };
/** Of the shorter of the programs' and the link's time, the part that the other does not hide: they fill and empty in turn. */
const NOT_HIDDEN = 0.3;
/**
 * Raw bytes a millisecond that the replica has on disk before it acks. Extents arrive as they lie on disk; everything else is
 * compressed there once more by the filesystem: 11 MiB that came through zstd were acked 100 ms later than as extents over the same link,
 * if that was one of 100 Mbit/s or more. One of 10 leaves the processors the time for it: there it was nothing.
 */
const STORED_BYTES_PER_MS = 110e3;
/** The part of the link's time in which that is done already. */
const STORED_MEANWHILE = 1 / 16;
/** What a push takes besides: snapshots' trees compared, received, synced, verified, promoted. */
const PUSH_MS = 25;

/** What one push of a codec showed. */
export interface CodecSample {
  rawBytes: number;
  wireBytes: number;
  ms: number;
  /** The link was no hindrance: `ms` is what the programs needed. Otherwise they need so much at the most. */
  boundByPrograms: boolean;
}

/** Programs need some time to come up to speed. */
const LEAST_SPEED_BYTES = 512 * 1024;
/** A sample moves what its codec shares with its kin by this much of the difference, and what is its own by less. */
const KIN_WEIGHT = 0.3;
const OWN_WEIGHT = 0.1;
/** A push of this size has half the weight of a large one. */
const HALF_WEIGHT_BYTES = 64 * 1024;
const MOST_CORRECTION = Math.log(100);

export class CodecExperience {
  /** Logarithms of the factors on the priors, by codec and by kin. */
  readonly #ratios = new Map<string, number>();
  readonly #speeds = new Map<string, number>();

  /** Raw bytes for a byte on the wire, at least 1. */
  ratio(codec: Codec, rawBytes: number): number {
    if (codec.name === "raw") return 1;
    return Math.max(1, priorRatio(codec, rawBytes) * Math.exp(correction(this.#ratios, codec)));
  }

  /** Estimated time from the plan to the ack. */
  estimateMs(codec: Codec, rawBytes: number, path: LinkPath): number {
    const { startMs, bytesPerMs } = priorOf(codec);
    const programsMs = rawBytes / (bytesPerMs * Math.exp(correction(this.#speeds, codec)));
    const wireMs = transferMs(rawBytes / this.ratio(codec, rawBytes), path);
    const storedMs = codec.compressedData ? 0 : rawBytes / STORED_BYTES_PER_MS;
    const leftMs = Math.max(0, storedMs - STORED_MEANWHILE * wireMs);
    return PUSH_MS + startMs + leftMs + Math.max(programsMs, wireMs) + NOT_HIDDEN * Math.min(programsMs, wireMs);
  }

  /** What the very bytes of the next push come to. */
  counted(codec: Codec, rawBytes: number, wireBytes: number): void {
    const ratio = Math.max(1, rawBytes / wireBytes);
    const shared = this.#ratios.get(kinOf(codec)) ?? 0;
    this.#ratios.set(codec.name, Math.log(ratio / priorRatio(codec, rawBytes)) - shared);
  }

  note(codec: Codec, { rawBytes, wireBytes, ms, boundByPrograms }: CodecSample): void {
    if (rawBytes <= 0 || wireBytes <= 0) return;
    const weight = rawBytes / (rawBytes + HALF_WEIGHT_BYTES);
    const ratio = Math.max(1, rawBytes / wireBytes);
    if (codec.name !== "raw") correct(this.#ratios, codec, Math.log(ratio / priorRatio(codec, rawBytes)), weight);
    if (rawBytes < LEAST_SPEED_BYTES || ms <= 0) return;
    const speed = Math.log(rawBytes / ms / priorOf(codec).bytesPerMs);
    if (boundByPrograms || speed > correction(this.#speeds, codec)) correct(this.#speeds, codec, speed, weight);
  }
}

function priorOf(codec: Codec): Prior {
  return PRIORS[codec.name] ?? OTHER_ZSTD;
}

function priorRatio(codec: Codec, rawBytes: number): number {
  const { ratio, halfBytes } = priorOf(codec);
  return Math.max(1, (ratio * rawBytes) / (rawBytes + halfBytes));
}

/** Levels of zstd go up and down together with the data; what one of them does better than its kin is its own. */
function kinOf({ compressedData, zstdLevel }: Codec): string {
  return `kin of ${compressedData ? "extents" : "raw"}${zstdLevel === undefined ? "" : " through zstd"}`;
}

function correction(corrections: ReadonlyMap<string, number>, codec: Codec): number {
  return (corrections.get(kinOf(codec)) ?? 0) + (corrections.get(codec.name) ?? 0);
}

function correct(corrections: Map<string, number>, codec: Codec, observed: number, weight: number): void {
  const error = observed - correction(corrections, codec);
  const move = (key: string, by: number) => {
    const moved = (corrections.get(key) ?? 0) + by * weight * error;
    corrections.set(key, Math.min(MOST_CORRECTION, Math.max(-MOST_CORRECTION, moved)));
  };
  move(kinOf(codec), KIN_WEIGHT);
  move(codec.name, OWN_WEIGHT);
}
