// The one error class of the format: what was read or offered is not a value of the format.

export type FormatErrorCode =
  | "not-canonical"
  | "lone-surrogate"
  | "number-out-of-range"
  | "bad-timestamp"
  | "bad-entry"
  | "bad-payload"
  | "bad-note"
  | "bad-vkey"
  | "bad-checkpoint"
  | "bad-space"
  | "newer-space"
  | "bad-vector"
  | "bad-tree";

export class FormatError extends Error {
  readonly code: FormatErrorCode;
  constructor(code: FormatErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FormatError";
    this.code = code;
  }
}
