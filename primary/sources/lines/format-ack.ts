// The answer to one input line, as one JSON line: `{"line":1,"seq":17,"hash":"…"}`, with `"duplicate":true` when the
// idempotency key was known, or `{"line":2,"error":{"code","field","value","reason","hint"}}`. A batch has one answer too, with
// what became of each of its events in order: `{"line":3,"events":[{"seq":18,"hash":"…"},{"error":{…}}]}`.
import type { AdmitErrorCode } from "../../admit/admit-error.js";
import type { Ack } from "../../event.js";

export interface AckRefusal {
  /** A code of AdmitError, or of the ledger's own error. */
  code: AdmitErrorCode | string;
  field?: string | undefined;
  value?: string | undefined;
  reason: string;
  hint?: string | undefined;
}

/** One line of the answer, as the client reads it. `line` counts from 1, blank lines included. */
export type AckLine = { line: number } & (EventAck | { events: EventAck[] });

/** What became of one event. */
export type EventAck = { seq: number; hash: string; duplicate?: true } | { error: AckRefusal };

/** What became of each event that the line held. */
export function eventsOf(ack: AckLine): EventAck[] {
  return "events" in ack ? ack.events : [ack];
}

export function formatAck(line: number, ack: Ack): string {
  return `{"line":${line},${formatMembers(ack)}}\n`;
}

/** The answer to a batch: an ack, or what admission or the ledger threw, for each of its events. */
export function formatBatchAck(line: number, results: readonly (Ack | Error)[]): string {
  const events = results.map((result) =>
    result instanceof Error ? JSON.stringify({ error: refusalOf(result) }) : `{${formatMembers(result)}}`,
  );
  return `{"line":${line},"events":[${events.join(",")}]}\n`;
}

function formatMembers({ seq, hash, duplicate }: Ack): string {
  return `"seq":${seq},"hash":"${hash}"${duplicate ? ',"duplicate":true' : ""}`;
}

/** The refusal of `line` for what admission or the ledger threw. */
export function formatRefusal(line: number, error: unknown): string {
  return `${JSON.stringify({ line, error: refusalOf(error) })}\n`;
}

function refusalOf(error: unknown): AckRefusal {
  if (!(error instanceof Error)) return { code: "failed", reason: "the event could not be written" };
  const { code, field, value, reason, hint } = error as Error & Partial<AckRefusal>;
  return { code: typeof code === "string" ? code : "failed", field, value, reason: reason ?? error.message, hint };
}
