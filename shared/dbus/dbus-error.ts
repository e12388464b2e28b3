// What can go wrong on a D-Bus connection, for both who calls and who answers.

export type DbusErrorCode =
  | "bad-address"
  | "no-bus"
  | "connection-lost"
  | "no-reply"
  | "name-taken"
  | "refused-by-peer"
  | "not-marshalled";

export class DbusError extends Error {
  readonly code: DbusErrorCode;
  /** The peer's error name, such as `org.freedesktop.DBus.Error.UnknownObject`. */
  readonly errorName: string | undefined;
  readonly hint: string | undefined;
  constructor(
    code: DbusErrorCode,
    message: string,
    options: ErrorOptions & { errorName?: string; hint?: string } = {},
  ) {
    super(message, options);
    this.name = "DbusError";
    this.code = code;
    this.errorName = options.errorName;
    this.hint = options.hint;
  }
}
