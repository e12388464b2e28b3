// A payload: one line of `timing/payloads`, the large half of an event. Line i of the payloads belongs to line i of the
// entries; each names the other (`seq` here, `payload_hash` there). The salt makes the hash say nothing about the
// content, so that a payload can be erased later and the entry that commits to it can stay.
import { canonicalString, type JsonValue } from "./canonical-json.js";
import { FormatError } from "./format-error.js";

export interface Payload {
  idempotency_key?: string;
  reason?: string;
  /** Paths within the event whose values were redacted at admission, such as `state_snapshot.wifi.psk`. */
  redacted?: string[];
  /** 16 random bytes as 32 hex digits. */
  salt: string;
  seq: number;
  state_snapshot: JsonValue;
}

/** What a payload line is made of before it has a sequence number: `stateJson` is canonical already. */
export interface PayloadParts {
  idempotencyKey?: string | undefined;
  reason?: string | undefined;
  redacted?: readonly string[] | undefined;
  stateJson: string;
}

/** The stored line of a payload (RFC 8785), newline excluded. @throws FormatError `lone-surrogate` */
export function formatPayload(parts: PayloadParts, salt: string, seq: number): string {
  let line = "{";
  if (parts.idempotencyKey !== undefined) line += `"idempotency_key":${canonicalString(parts.idempotencyKey)},`;
  if (parts.reason !== undefined) line += `"reason":${canonicalString(parts.reason)},`;
  if (parts.redacted?.length) line += `"redacted":[${parts.redacted.map(canonicalString).join(",")}],`;
  return `${line}"salt":"${salt}","seq":${seq},"state_snapshot":${parts.stateJson}}`;
}

/** Reads a stored payload line whose hash has been checked against its entry. @throws FormatError `bad-payload` */
export function parsePayload(line: string): Payload {
  let payload: Payload;
  try {
    payload = JSON.parse(line) as Payload;
  } catch (cause) {
    throw new FormatError("bad-payload", "the payload line is not JSON", { cause });
  }
  if (typeof payload !== "object" || payload === null || !Number.isSafeInteger(payload.seq)) {
    throw new FormatError("bad-payload", "the payload line names no sequence number");
  }
  return payload;
}

const STATE_KEY = ',"state_snapshot":';

/**
 * The canonical text of the state in a line that `formatPayload` made: the last value of the line, so nothing is parsed.
 * The key cannot stand earlier: inside a string its quotes would be escaped.
 *
 * @throws FormatError `bad-payload`
 */
export function stateTextOf(line: string): string {
  const at = line.indexOf(STATE_KEY);
  if (at < 0) throw new FormatError("bad-payload", "the payload line has no state_snapshot");
  return line.slice(at + STATE_KEY.length, -1);
}
