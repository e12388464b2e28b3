// RFC 8785 (JSON Canonicalization Scheme): the only bytes of a value that may be hashed or stored.
// Called once per value, before it is stored; a stored line is never canonicalised again.
import { FormatError } from "./format-error.js";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * Canonical text of `value` (RFC 8785: keys in UTF-16 code unit order, ECMAScript numbers and string escapes).
 *
 * @throws FormatError `lone-surrogate` for a string that is not well-formed Unicode, `number-out-of-range` for NaN,
 *   infinities and integers beyond 2^53 − 1 in either direction, `not-canonical` for what JSON has no form for.
 */
export function canonicalise(value: JsonValue): string {
  switch (typeof value) {
    case "string":
      return canonicalString(value);
    case "number":
      return canonicalNumber(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? `[${value.map(canonicalise).join(",")}]` : canonicalObject(value);
    default:
      throw new FormatError("not-canonical", `a ${typeof value} has no form in JSON`);
  }
}

/** A string in its RFC 8785 form. @throws FormatError `lone-surrogate` */
export function canonicalString(text: string): string {
  if (!text.isWellFormed()) {
    throw new FormatError("lone-surrogate", `${JSON.stringify(text.slice(0, 80))} holds half of a surrogate pair`);
  }
  return JSON.stringify(text);
}

function canonicalNumber(value: number): string {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new FormatError("number-out-of-range", `${value} cannot be kept exactly; send it as a string`);
  }
  return JSON.stringify(value);
}

function canonicalObject(object: { [key: string]: JsonValue }): string {
  const keys = Object.keys(object).sort();
  let text = "{";
  for (const key of keys) {
    if (text.length > 1) text += ",";
    text += `${canonicalString(key)}:${canonicalise(object[key] as JsonValue)}`;
  }
  return `${text}}`;
}
