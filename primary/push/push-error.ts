// What can go wrong between this primary and one replica, sorted at the boundary: the link's loop decides by `kind`.
import type { RefusalCode } from "../../shared/protocol/protocol.js";

/** `retryable` passes by itself; `conflict` needs an operator; `fatal` is a fault of this primary's own. */
export type PushErrorKind = "retryable" | "conflict" | "fatal";

/** The replica's refusal code, or a code of this side. */
export type PushErrorCode =
  | RefusalCode
  /** Nobody there, or the connection broke. */
  | "unreachable"
  /** Another host key than the pinned one. */
  | "host-key"
  /** The transport key is not let in. */
  | "login"
  /** No byte moved for too long. */
  | "stalled"
  /** An answer that is not of the protocol. */
  | "bad-answer"
  /** An ack that is not the replica's cosignature of what was sent. */
  | "bad-ack"
  /** Its operator, or a bound, asks for all of the store anew. */
  | "needs-full"
  | "send-failed"
  | "internal";

export class PushError extends Error {
  readonly kind: PushErrorKind;
  readonly code: PushErrorCode;
  readonly hint: string | undefined;
  constructor(
    kind: PushErrorKind,
    code: PushErrorCode,
    message: string,
    options: ErrorOptions & { hint?: string } = {},
  ) {
    super(message, options);
    this.name = "PushError";
    this.kind = kind;
    this.code = code;
    this.hint = options.hint;
  }
}
