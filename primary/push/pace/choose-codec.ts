// Chooses how a push travels: the codec with the least estimated time for this size on this link. Pure; it keeps what the
// link used last while that is nearly as good, so that it does not flap.
import { formatRate } from "../../../shared/config/parse-rate.js";
import type { Codec } from "./codec.js";
import type { CodecExperience } from "./codec-experience.js";
import type { LinkPath } from "./transfer-time.js";

/** What the link used last stays while it takes at most so much longer than the best. */
export const STAY_FACTOR = 1.07;
/** Times so near to each other are the same: then the codec with the least processor time is taken. */
const SAME_FACTOR = 1.03;

export interface CodecQuestion {
  /** Size of the raw streams, estimated. */
  rawBytes: number;
  path: LinkPath;
  /** How the rate came to be known, in words before it: `at least`, `limited to`. */
  rateNote?: string | undefined;
  /** Least processor time first; not empty. */
  possible: readonly Codec[];
  experience: CodecExperience;
  /** Name of the codec that the link used last for a push. */
  last: string | undefined;
}

export interface CodecChoice {
  codec: Codec;
  estimatedMs: number;
  /** What is expected on the wire. */
  estimatedBytes: number;
  /** Such as `zstd-1: 9.8 Mbit/s, 12 MiB: 1.7 s against 10.2 s raw`. */
  reason: string;
}

interface Estimate {
  codec: Codec;
  ms: number;
}

export function chooseCodec(question: CodecQuestion): CodecChoice {
  const { rawBytes, path, possible, experience, last } = question;
  const estimates = possible.map((codec) => ({ codec, ms: experience.estimateMs(codec, rawBytes, path) }));
  const bestMs = Math.min(...estimates.map(({ ms }) => ms));
  const kept = estimates.find(({ codec, ms }) => codec.name === last && ms <= STAY_FACTOR * bestMs);
  const chosen = kept ?? (estimates.find(({ ms }) => ms <= SAME_FACTOR * bestMs) as Estimate);
  return {
    codec: chosen.codec,
    estimatedMs: chosen.ms,
    estimatedBytes: Math.round(rawBytes / experience.ratio(chosen.codec, rawBytes)),
    reason: explain(question, chosen, estimates),
  };
}

function explain(
  { rawBytes, path, rateNote }: CodecQuestion,
  chosen: Estimate,
  estimates: readonly Estimate[],
): string {
  const rate = [rateNote, formatRate(path.bitsPerSecond)].filter(Boolean).join(" ");
  const other = comparedWith(chosen, estimates);
  const against = other ? ` against ${formatMs(other.ms)} ${other.codec.name}` : "";
  return `${chosen.codec.name}: ${rate}, ${formatBytes(rawBytes)}: ${formatMs(chosen.ms)}${against}`;
}

/** The plain stream, or what would be next best to it. */
function comparedWith(chosen: Estimate, estimates: readonly Estimate[]): Estimate | undefined {
  const others = estimates.filter(({ codec }) => codec !== chosen.codec);
  const plain = others.find(({ codec }) => codec.name === "raw");
  return plain ?? others.sort((a, b) => a.ms - b.ms)[0];
}

export function formatBytes(bytes: number): string {
  for (const [unit, scale] of [["GiB", 2 ** 30] as const, ["MiB", 2 ** 20] as const, ["KiB", 2 ** 10] as const]) {
    if (bytes >= scale) return `${Number((bytes / scale).toPrecision(3))} ${unit}`;
  }
  return `${bytes} B`;
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${Number(ms.toPrecision(2))} ms` : `${Number((ms / 1000).toPrecision(3))} s`;
}
