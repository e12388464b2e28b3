// What can go wrong between this primary and one replica, sorted at the boundary: the link's loop decides by `kind`.

/** `retryable` passes by itself; `conflict` needs an operator; `fatal` is a fault of this primary's own. */
export type PushErrorKind = "retryable" | "conflict" | "fatal";

export class PushError extends Error {
  readonly kind: PushErrorKind;
  /** The replica's refusal code, or a code of this side: `unreachable`, `host-key`, `login`, `stalled`, `send-failed`. */
  readonly code: string;
  readonly hint: string | undefined;
  constructor(kind: PushErrorKind, code: string, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "PushError";
    this.kind = kind;
    this.code = code;
    this.hint = options.hint;
  }
}
