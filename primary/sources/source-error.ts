// Why a source cannot start. `hint` is the operator's next step.

export type SourceErrorCode = "socket-in-use" | "not-a-socket" | "socket-path-too-long" | "socket-folder-missing";

export class SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly hint: string;
  constructor(code: SourceErrorCode, message: string, options: ErrorOptions & { hint: string }) {
    super(message, options);
    this.name = "SourceError";
    this.code = code;
    this.hint = options.hint;
  }
}
