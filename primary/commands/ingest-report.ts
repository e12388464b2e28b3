// How `ingest` counts and says what became of the events it sent.
import type { AckRefusal, EventAck } from "../sources/lines/format-ack.js";

export interface Counts {
  written: number;
  duplicates: number;
  refused: number;
}

export function countEvent(ack: EventAck, counts: Counts): void {
  if ("error" in ack) counts.refused += 1;
  else counts[ack.duplicate ? "duplicates" : "written"] += 1;
}

export function exitCodeOf({ refused }: Counts): number {
  return refused > 0 ? 2 : 0;
}

/** `place` is such as `events.jsonl:17`, or `events.jsonl:17[3]` in a batch. */
export function formatRefused(place: string, { field, value, reason, hint }: AckRefusal): string {
  const what = field === undefined ? "" : ` field "${field}"`;
  const held = value === undefined ? "" : ` = ${value}`;
  return `${place}${what}${held}: ${reason}${hint ? ` (${hint})` : ""}`;
}

export function formatTotal({ written, duplicates, refused }: Counts, seconds: number): string {
  const rate = Math.round((written + duplicates + refused) / Math.max(seconds, 0.001));
  return `${written} written, ${duplicates} duplicates, ${refused} refused in ${seconds.toFixed(1)} s (${rate}/s)`;
}
