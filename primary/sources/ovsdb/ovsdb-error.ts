// What can go wrong between us and an OVSDB server. All of it ends the connection; the source then comes back by itself.

export type OvsdbErrorCode =
  | "bad-address"
  | "unreachable"
  | "connection-lost"
  | "no-reply"
  | "refused-by-peer"
  | "bad-message"
  | "bad-schema";

export class OvsdbError extends Error {
  readonly code: OvsdbErrorCode;
  readonly hint: string | undefined;
  constructor(code: OvsdbErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "OvsdbError";
    this.code = code;
    this.hint = options.hint;
  }
}
