// Why no release was made, and the way on.
export type ReleaseErrorCode =
  /** What git has not recorded would be in it. */
  | "dirty-tree"
  /** A program that it needs is not there, or failed. */
  | "step-failed"
  /** The compiler's result is not there, or cannot be loaded. */
  | "native-module"
  /** package-lock.json names no such package, or not all of its dependencies. */
  | "lock-file";

export class ReleaseError extends Error {
  readonly code: ReleaseErrorCode;
  readonly hint: string;
  constructor(code: ReleaseErrorCode, message: string, options: ErrorOptions & { hint: string }) {
    super(message, options);
    this.name = "ReleaseError";
    this.code = code;
    this.hint = options.hint;
  }
}
