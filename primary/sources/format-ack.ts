// The answer to one input line, as one JSON line: `{"line":1,"seq":17,"hash":"…"}`, with `"duplicate":true` when the
// idempotency key was known, or `{"line":2,"error":{"code","field","value","reason","hint"}}`.
import type { AdmitErrorCode } from "../admit/admit-error.js";
import type { Ack } from "../event.js";

export interface AckRefusal {
  /** A code of AdmitError, or of the ledger's own error. */
  code: AdmitErrorCode | string;
  field?: string | undefined;
  value?: string | undefined;
  reason: string;
  hint?: string | undefined;
}

/** One line of the answer, as the client reads it. `line` counts from 1, blank lines included. */
export type AckLine =
  | { line: number; seq: number; hash: string; duplicate?: true }
  | { line: number; error: AckRefusal };

export function formatAck(line: number, ack: Ack): string {
  return `{"line":${line},"seq":${ack.seq},"hash":"${ack.hash}"${ack.duplicate ? ',"duplicate":true' : ""}}\n`;
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
