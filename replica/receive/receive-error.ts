// Why an arrival was refused, in the protocol's terms: the agent turns `code` into the answer's status.
import type { RefusalCode } from "../../shared/protocol/protocol.js";

export class ReceiveError extends Error {
  readonly code: RefusalCode;
  readonly hint: string | undefined;
  constructor(code: RefusalCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "ReceiveError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The push stopped coming. Nothing is wrong with what arrived of it: the next one may go on from there. */
export class CutShort extends ReceiveError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("bad-stream", message, options);
  }
}
