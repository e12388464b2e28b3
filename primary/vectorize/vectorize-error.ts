// What stops the vectorizer. `hint` is the operator's next step.

export type VectorizeErrorCode =
  | "space-differs"
  | "space-unreadable"
  | "rows-missing"
  | "stopped"
  | "write-failed"
  | "no-room";

export class VectorizeError extends Error {
  readonly code: VectorizeErrorCode;
  readonly hint: string | undefined;
  constructor(code: VectorizeErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "VectorizeError";
    this.code = code;
    this.hint = options.hint;
  }
}
