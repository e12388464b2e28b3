// What goes wrong while a model is added or removed. What is wrong with a model as such is an EmbedError.

export type ModelErrorCode =
  /** What was asked for cannot be meant so: a source that is none, a digest that is no digest. */
  | "bad-request"
  /** What came is not what the digest says. Nothing of it was opened. */
  | "digest-mismatch"
  | "too-large"
  | "no-space"
  | "transfer-failed"
  | "unsafe-archive"
  /** Another model has the name. */
  | "exists"
  | "in-use"
  | "interrupted";

export class ModelError extends Error {
  readonly code: ModelErrorCode;
  readonly hint: string | undefined;
  constructor(code: ModelErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "ModelError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** As a call, so that a check before an `await` says nothing about the one behind it. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
