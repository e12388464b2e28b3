// From the fields of a sound line to a draft: every field known, of its type and bounded, defaults filled in. An error
// names the field and never shows a secret.
import type { JsonValue } from "../../shared/format/canonical-json.js";
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import { FormatError } from "../../shared/format/format-error.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE } from "../../shared/format/seal.js";
import { formatTimestamp, nowMicros, parseTimestamp } from "../../shared/format/timestamp.js";
import type { EventDraft } from "../event.js";
import { AdmitError, shorten } from "./admit-error.js";
import { checkText, describe, requireText } from "./check-field.js";
import { nearestName } from "./nearest-name.js";
import type { JsonObject, Parsed } from "./parse-line.js";
import { REDACTED } from "./redact-text.js";

/** What the source knows and the line may not say. */
export interface AdmitContext {
  /** Set on the event; a line cannot set it. */
  source: string;
  /** The actor of lines that name none. Default `unknown`. */
  actor?: string | undefined;
}

const FIELDS = [
  "element_id",
  "element_type",
  "action",
  "timestamp",
  "actor",
  "state_snapshot",
  "reason",
  "priority",
  "idempotency_key",
] as const;
const KNOWN_FIELDS: ReadonlySet<string> = new Set(FIELDS);

/** @throws AdmitError */
export function draftEvent(parsed: Parsed<JsonObject>, context: AdmitContext, now: () => number): EventDraft {
  const fields = parsed.value;
  for (const name of Object.keys(fields)) if (!KNOWN_FIELDS.has(name)) throw unknownField(name, fields[name]);
  const elementId = requireText("element_id", fields.element_id);
  const elementType = requireText("element_type", fields.element_type);
  const action = requireText("action", fields.action);
  refuseReserved(elementId, elementType, action);
  return {
    elementId,
    elementType,
    action,
    actor: fields.actor === undefined ? (context.actor ?? "unknown") : checkText("actor", fields.actor),
    timestamp: timestampOf(fields.timestamp, now),
    priority: fields.priority === undefined ? undefined : checkPriority(fields.priority),
    source: context.source,
    state: fields.state_snapshot ?? {},
    reason: reasonOf(fields.reason),
    idempotencyKey:
      fields.idempotency_key === undefined ? undefined : checkText("idempotency_key", fields.idempotency_key),
    redacted: undefined,
    mayHold: parsed.mayHold,
  };
}

/** What interceptors beyond our own may have made of a draft. @throws AdmitError as if it had come so */
export function checkDraft(draft: EventDraft): void {
  requireText("element_id", draft.elementId);
  requireText("element_type", draft.elementType);
  requireText("action", draft.action);
  refuseReserved(draft.elementId, draft.elementType, draft.action);
  checkText("actor", draft.actor);
  draft.timestamp = timestampOf(draft.timestamp, nowMicros);
  if (draft.priority !== undefined) checkPriority(draft.priority);
  reasonOf(draft.reason);
  if (draft.idempotencyKey !== undefined) checkText("idempotency_key", draft.idempotencyKey);
}

function unknownField(name: string, value: JsonValue | undefined): AdmitError {
  const near = nearestName(name, FIELDS);
  return new AdmitError("unknown-field", {
    field: shorten(name),
    // An unknown field was not looked through for secrets by the name it should have had.
    value: typeof value === "number" || typeof value === "boolean" ? String(value) : REDACTED,
    reason: name === "source" ? "the source is set by the primary" : "there is no such field",
    hint: near ? `did you mean ${near}?` : "put your own fields into state_snapshot",
  });
}

/** Seals are entries too; only the ledger may write them. */
function refuseReserved(elementId: string, elementType: string, action: string): void {
  const byType = elementType === SEAL_ELEMENT_TYPE;
  if (!byType && !elementId.startsWith("store:")) return;
  const sealing = action === SEAL_ACTION ? ", and so is sealing it" : "";
  throw new AdmitError("reserved", {
    field: byType ? "element_type" : "element_id",
    value: byType ? elementType : elementId,
    reason: `elements of type Store and ids that start with store: belong to the ledger${sealing}`,
    hint: "use another element type and id",
  });
}

/** The stored form on a day that every month has, in years that can all be counted: the common case, and its own result. */
const STORED_DAY_TO_28 =
  /^(?:1[7-9]|2[01])\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;

function timestampOf(value: JsonValue | undefined, now: () => number): string {
  if (value === undefined) return formatTimestamp(now());
  const text = checkText("timestamp", value);
  return STORED_DAY_TO_28.test(text) ? text : formatTimestamp(countableMicros(text));
}

/** Microseconds since 1970 that a number holds exactly: beyond 2^53 − 1 two times would look the same to every query. */
function countableMicros(text: string): number {
  let micros: number;
  try {
    micros = parseTimestamp(text);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw badTimestamp(text, "it is no ISO 8601 time that exists", "write it as 2026-11-20T10:05:00.123456Z", {
      cause,
    });
  }
  if (Number.isSafeInteger(micros)) return micros;
  throw badTimestamp(
    text,
    "it lies outside 1684-07-28 to 2255-06-05, where microseconds can be counted exactly",
    "check the source's clock, or leave timestamp out for the time of admission",
  );
}

function badTimestamp(value: string, reason: string, hint: string, options?: ErrorOptions): AdmitError {
  return new AdmitError("bad-timestamp", { field: "timestamp", value, reason, hint }, options);
}

function checkPriority(value: JsonValue): Priority {
  const text = checkText("priority", value) as Priority;
  if (PRIORITIES.includes(text)) return text;
  throw new AdmitError("bad-priority", {
    field: "priority",
    value: text,
    reason: "there is no such priority",
    hint: `one of ${PRIORITIES.join(", ")}`,
  });
}

function reasonOf(value: JsonValue | undefined): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw new AdmitError("wrong-type", {
    field: "reason",
    value: REDACTED,
    reason: `it is ${describe(value)}, not a string`,
    hint: "send reason as a string; structure belongs into state_snapshot",
  });
}
