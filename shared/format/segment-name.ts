// Names of the files that grow: 20 digits of the first sequence number they hold, so that name order is ledger order.
import { FormatError } from "./format-error.js";

/** A file is sealed (never written again) once it has reached this size. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;

export function segmentName(firstSeq: number, extension: "jsonl" | "vec"): string {
  return `${String(firstSeq).padStart(20, "0")}.${extension}`;
}

/** First sequence number of a segment name. @throws FormatError `bad-entry` for any other name */
export function firstSeqOf(name: string): number {
  const match = /^(\d{20})\.(?:jsonl|vec)$/.exec(name);
  const seq = match ? Number(match[1]) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw new FormatError("bad-entry", `${JSON.stringify(name)} is not a segment's name`);
  return seq;
}
