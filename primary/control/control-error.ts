// Why the primary does not do what an operator asks.

export class ControlError extends Error {
  readonly code:
    | "unknown-replica"
    | "bad-request"
    | "too-many-watchers"
    | "paused"
    | "not-delivered"
    | "unknown-space"
    | "level-unavailable"
    | "fill-under-way"
    | "no-fill"
    | "no-room"
    | "not-filled"
    | "no-next-key"
    | "not-trusted";
  readonly hint: string | undefined;
  constructor(code: ControlError["code"], message: string, hint?: string) {
    super(message);
    this.name = "ControlError";
    this.code = code;
    this.hint = hint;
  }
}
