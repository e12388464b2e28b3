// Bytes of one line to a sound value: what JSON.parse reads is what was meant, and it can be kept exactly. JSON.parse does
// the work; one pass over the text counts the members that it should have given, so that a duplicate key (which JSON.parse
// swallows) is noticed. Only a suspicion runs the exact scan. No error here may show a secret.
import { isUtf8 } from "node:buffer";
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { SecretHints } from "../event.js";
import { AdmitError } from "./admit-error.js";
import { checkValue } from "./check-value.js";
import { mayHoldSecretText, REDACTED } from "./redact-text.js";
import { findJsonFault, formatPath, type JsonFault } from "./scan-json.js";
import type { SecretKeyTest } from "./secret-keys.js";

/** Levels of objects and arrays in one event, the event itself included. */
export const MAX_DEPTH = 64;

export type JsonObject = { [key: string]: JsonValue };

/** A sound value and what the walk over it saw. */
export interface Parsed<T> {
  value: T;
  /** Keys below the fields are in canonical order, so `JSON.stringify` writes the canonical form. */
  sorted: boolean;
  mayHold: SecretHints;
}

/**
 * The value that the line holds, whatever it is.
 *
 * @throws AdmitError `not-utf8`, `not-json`, `duplicate-key`, `number-out-of-range`, `lone-surrogate`, `too-deep`
 */
export function parseLine(line: Buffer, isSecretKey: SecretKeyTest): Parsed<JsonValue> {
  if (!isUtf8(line)) {
    throw new AdmitError("not-utf8", { reason: "the bytes are not UTF-8", hint: "send UTF-8, without a BOM" });
  }
  const text = line.toString("utf8");
  const value = parse(text, isSecretKey);
  if (typeof value !== "object" || value === null) return { value, sorted: true, mayHold: NO_SECRETS };
  const check = checkValue(value, { maxDepth: MAX_DEPTH, isWatched: isSecretKey, escapes: text.includes("\\u") });
  if (check.suspect || check.members !== countColons(text)) {
    const fault = findJsonFault(text, MAX_DEPTH);
    if (fault) throw faultError(fault, isSecretKey);
  }
  const mayHold = { secretKeys: check.watched, secretTexts: mayHoldSecretText(text) };
  return { value, sorted: check.sorted, mayHold };
}

const NO_SECRETS: SecretHints = { secretKeys: false, secretTexts: false };

/** @throws AdmitError `not-an-object` */
export function requireObject(parsed: Parsed<JsonValue>): Parsed<JsonObject> {
  const { value } = parsed;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return parsed as Parsed<JsonObject>;
  throw new AdmitError("not-an-object", {
    reason: `the line is ${value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`}`,
    hint: 'send one JSON object a line: {"element_id":…,"element_type":…,"action":…}',
  });
}

function parse(text: string, isSecretKey: SecretKeyTest): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The engine's message quotes the text, which may be a secret: only the place is told.
    throw faultError(findJsonFault(text, MAX_DEPTH) ?? { code: "not-json", path: [], column: 1 }, isSecretKey);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Colons outside strings of a valid JSON text: one for each member. */
function countColons(text: string): number {
  let colons = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === COLON) colons += 1;
    else if (code === QUOTE) {
      for (at += 1; at < text.length; at += 1) {
        const inner = text.charCodeAt(at);
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) at += 1;
      }
    }
  }
  return colons;
}

function faultError(fault: JsonFault, isSecretKey: SecretKeyTest): AdmitError {
  const hidden =
    fault.path.some((part) => typeof part === "string" && isSecretKey(part)) && fault.code !== "duplicate-key";
  const field = fault.path.length > 0 ? formatPath(fault.path) : undefined;
  const value = hidden ? REDACTED : fault.shown;
  return new AdmitError(fault.code, { field, value, ...FAULTS[fault.code](fault) });
}

const FAULTS: Record<JsonFault["code"], (fault: JsonFault) => { reason: string; hint: string }> = {
  "not-json": ({ column, shown }) => ({
    reason: shown === undefined ? "the JSON ends too early" : `not JSON from column ${column}`,
    hint: "send one whole JSON object a line",
  }),
  "not-an-object": () => ({ reason: "the line is no object", hint: "send one JSON object a line" }),
  "duplicate-key": ({ column }) => ({
    reason: `the key stands twice in one object (column ${column})`,
    hint: "send each key once",
  }),
  "number-out-of-range": () => ({
    reason: "the number cannot be kept exactly (integers up to 2^53 − 1, finite)",
    hint: "send it as a string",
  }),
  "lone-surrogate": ({ column }) => ({
    reason: `the string holds half of a surrogate pair (column ${column})`,
    hint: "send well-formed Unicode",
  }),
  "too-deep": () => ({ reason: `more than ${MAX_DEPTH} levels deep`, hint: "send a flatter state_snapshot" }),
};
