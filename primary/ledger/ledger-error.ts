// Why the ledger did not take an event.

export type LedgerErrorCode = "idempotency-conflict" | "entry-too-large" | "write-failed" | "closed" | "corrupt";

export class LedgerError extends Error {
  readonly code: LedgerErrorCode;
  readonly hint: string | undefined;
  constructor(code: LedgerErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "LedgerError";
    this.code = code;
    this.hint = options.hint;
  }
}
