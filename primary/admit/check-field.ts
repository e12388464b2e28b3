// The event's text fields: present, of bounded length, without control characters. The bounds together keep every entry
// line far below MAX_ENTRY_BYTES (60 KiB): 1,664 characters at 4 bytes each and 500 bytes of the rest.
import { MAX_ENTRY_BYTES } from "../../shared/format/entry.js";
import { AdmitError, shorten } from "./admit-error.js";

export const FIELD_CHARS = {
  element_id: 1024,
  element_type: 128,
  action: 128,
  actor: 256,
  idempotency_key: 256,
  priority: 16,
  timestamp: 64,
} as const;
export type TextField = keyof typeof FIELD_CHARS;

const CONTROL = /\p{Cc}/u;

/** `value` as the text of `field`. @throws AdmitError `wrong-type`, `empty`, `too-long`, `control-character` */
export function checkText(field: TextField, value: unknown): string {
  if (typeof value !== "string") {
    throw new AdmitError("wrong-type", {
      field,
      // What an object holds was not looked through for secrets.
      value: typeof value === "object" ? undefined : shorten(String(value)),
      reason: `it is ${describe(value)}, not a string`,
      hint: `send ${field} as a string`,
    });
  }
  if (value === "")
    throw new AdmitError("empty", { field, value: '""', reason: "it is empty", hint: `give ${field} a value` });
  const longest = FIELD_CHARS[field];
  if (value.length > longest) {
    throw new AdmitError(value.length > MAX_ENTRY_BYTES ? "entry-too-large" : "too-long", {
      field,
      value,
      reason: `it has ${value.length} characters; at most ${longest} are kept`,
      hint: "put the detail into state_snapshot or reason",
    });
  }
  if (CONTROL.test(value)) {
    throw new AdmitError("control-character", {
      field,
      value: JSON.stringify(value),
      reason: "it holds a control character",
      hint: "names are one line of plain text",
    });
  }
  return value;
}

/** A required field. @throws AdmitError `missing-field` and what `checkText` throws */
export function requireText(field: TextField, value: unknown): string {
  if (value !== undefined) return checkText(field, value);
  throw new AdmitError("missing-field", {
    field,
    reason: "it is missing",
    hint: "element_id, element_type and action are required",
  });
}

export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
