// Why a line was refused, in the terms of the person who wrote it: which field, what it held, what to do. It travels back
// over the socket, so it must never hold a secret: `value` is cut short, and hidden where a secret could stand.

export type AdmitErrorCode =
  | "line-too-long"
  | "not-utf8"
  | "not-json"
  | "not-an-object"
  | "duplicate-key"
  | "number-out-of-range"
  | "lone-surrogate"
  | "too-deep"
  | "missing-field"
  | "wrong-type"
  | "empty"
  | "too-long"
  | "control-character"
  | "unknown-field"
  | "bad-timestamp"
  | "bad-priority"
  | "reserved"
  | "payload-too-large"
  | "entry-too-large"
  | "interceptor-failed"
  | "bad-cloudevent"
  | "batch-too-large";

export interface AdmitProblem {
  /** Path of the field, such as `state_snapshot.ports[2].mtu`; left out when the line as a whole is at fault. */
  field?: string | undefined;
  /** What stood there, cut short; `[redacted]` where a secret could stand. */
  value?: string | undefined;
  reason: string;
  /** The way out. */
  hint: string;
}

const SHOWN_CHARS = 80;

export class AdmitError extends Error {
  readonly code: AdmitErrorCode;
  readonly field: string | undefined;
  value: string | undefined;
  readonly reason: string;
  readonly hint: string;
  constructor(code: AdmitErrorCode, problem: AdmitProblem, options?: ErrorOptions) {
    super(`${problem.field === undefined ? "the line" : problem.field}: ${problem.reason}`, options);
    this.name = "AdmitError";
    this.code = code;
    this.field = problem.field === undefined ? undefined : shorten(problem.field);
    this.value = problem.value === undefined ? undefined : shorten(problem.value);
    this.reason = problem.reason;
    this.hint = problem.hint;
  }
}

/** At most 80 characters of `text`, never half of a surrogate pair. */
export function shorten(text: string): string {
  return text.length <= SHOWN_CHARS ? text.toWellFormed() : `${text.slice(0, SHOWN_CHARS - 1).toWellFormed()}…`;
}
