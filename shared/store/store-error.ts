// What goes wrong with a store's files and volumes. `hint` is the operator's next step.

export type StoreErrorCode =
  | "missing"
  | "exists"
  | "unreadable"
  | "invalid"
  | "not-btrfs"
  | "not-mounted"
  | "in-use"
  | "no-space"
  | "busy"
  | "command-failed"
  | "corrupt";

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly hint: string | undefined;
  constructor(code: StoreErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
    this.hint = options.hint;
  }
}
