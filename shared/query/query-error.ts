// What a query can be refused for. `code` tells programs, `hint` tells people what to do next.

export type QueryErrorCode =
  | "unknown-store"
  | "unknown-element"
  | "unknown-event"
  | "ambiguous-hash"
  | "broken-chain"
  | "bad-parameter"
  | "no-vectors"
  | "not-ready";

/** The first place where stored bytes are not what the chain says. */
export interface BrokenPlace {
  element: string;
  seq: number;
  height: number;
  file: string;
  offset: number;
}

export class QueryError extends Error {
  readonly code: QueryErrorCode;
  readonly hint: string | undefined;
  /** Only with `broken-chain`. */
  readonly place: BrokenPlace | undefined;
  constructor(
    code: QueryErrorCode,
    message: string,
    options: ErrorOptions & { hint?: string; place?: BrokenPlace } = {},
  ) {
    super(message, options);
    this.name = "QueryError";
    this.code = code;
    this.hint = options.hint;
    this.place = options.place;
  }
}

/** The HTTP status of each code. */
export const STATUS_OF: Record<QueryErrorCode, number> = {
  "bad-parameter": 400,
  "unknown-store": 404,
  "unknown-element": 404,
  "unknown-event": 404,
  "ambiguous-hash": 409,
  "broken-chain": 409,
  "no-vectors": 409,
  "not-ready": 503,
};

export function badParameter(name: string, value: unknown, wayOut: string): QueryError {
  return new QueryError("bad-parameter", `${name} is ${JSON.stringify(value) ?? "missing"}`, { hint: wayOut });
}
