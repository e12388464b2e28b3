// A CloudEvent to the fields that one of our own lines would have, and the way back from a field to the attribute it was
// made of, for errors. Nothing of the event is lost: what has no field of its own stays in the state.
import { sha256Hex } from "../../../shared/format/hash.js";
import { AdmitError } from "../../admit/admit-error.js";
import { FIELD_CHARS } from "../../admit/check-field.js";
import type { JsonObject } from "../../admit/parse-line.js";
import { type CheckedEvent, checkAttributes } from "./check-attributes.js";

export interface MappedEvent {
  fields: JsonObject;
  /** False: the state has a key that objects do not keep in order. */
  sorted: boolean;
  /** A refusal of the fields, said in the terms of the CloudEvent. */
  inItsTerms(error: AdmitError): AdmitError;
}

/** Levels of `data`: in the state it lies one deeper than in the line. */
const MAX_DATA_DEPTH = 62;

/** @throws AdmitError */
export function mapCloudEvent(event: JsonObject): MappedEvent {
  const checked = checkAttributes(event);
  if (deeperThan(checked.data, MAX_DATA_DEPTH)) {
    throw new AdmitError("too-deep", {
      field: "data",
      reason: `more than ${MAX_DATA_DEPTH} levels deep`,
      hint: "send flatter data",
    });
  }
  const { ours, source, subject, time } = checked;
  const state = stateOf(checked);
  const fields: JsonObject = {
    element_id: ours.isochronelement ?? (subject === undefined ? source : `${source}#${subject}`),
    element_type: ours.isochrontype ?? "CloudEvent",
    action: ours.isochronaction ?? actionOf(checked.type),
    idempotency_key: keyOf(checked),
    state_snapshot: state,
  };
  if (time !== undefined) fields.timestamp = time;
  if (ours.isochronactor !== undefined) fields.actor = ours.isochronactor;
  if (ours.isochronpriority !== undefined) fields.priority = ours.isochronpriority;
  return {
    fields,
    sorted: !Object.keys(state).some((key) => DIGITS.test(key)),
    inItsTerms: (error) => rename(error, checked),
  };
}

const DIGITS = /^\d+$/;

/** The attributes without a field of their own, and the data, with keys in order. */
function stateOf({ id, source, kept, data, dataBase64 }: CheckedEvent): JsonObject {
  const state: JsonObject = { ...kept };
  if (data !== undefined) state.data = data;
  if (dataBase64 !== undefined) Object.assign(state, { data: dataBase64, data_encoding: "base64" });
  // Otherwise the key holds it.
  if (longKeyOf(id, source).length > FIELD_CHARS.idempotency_key) state.id = id;
  return Object.fromEntries(Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const VERSION = /^v\d+$/i;

/** `com.example.order.created.v2` is `created`: the last part of the type that is no version. */
function actionOf(type: string): string {
  const parts = type.split(".").filter((part) => part !== "");
  return parts.findLast((part) => !VERSION.test(part)) ?? type;
}

/** Source and id name an event for ever (specification, section 3.1), so they make its key. */
function keyOf({ id, source }: CheckedEvent): string {
  const key = longKeyOf(id, source);
  return key.length <= FIELD_CHARS.idempotency_key ? key : `ce:sha256-${sha256Hex(key)}`;
}

/** The last colon parts the two: those of the id are escaped. */
function longKeyOf(id: string, source: string): string {
  return `ce:${source}:${id.replaceAll("%", "%25").replaceAll(":", "%3A")}`;
}

function rename(error: AdmitError, { ours, subject }: CheckedEvent): AdmitError {
  const attributes: Record<string, string> = {
    element_id: ours.isochronelement ? "isochronelement" : subject === undefined ? "source" : "subject",
    element_type: "isochrontype",
    action: ours.isochronaction ? "isochronaction" : "type",
    actor: "isochronactor",
    priority: "isochronpriority",
    timestamp: "time",
    idempotency_key: "id",
    state_snapshot: "data",
  };
  const { code, value, reason, field = "" } = error;
  const hint = code === "too-long" ? HINTS[attributes[field] ?? ""] : undefined;
  return new AdmitError(code, { field: attributes[field] ?? field, value, reason, hint: hint ?? error.hint });
}

const HINTS: Record<string, string> = {
  source: "name the element with isochronelement",
  subject: "name the element with isochronelement",
  type: "name the action with isochronaction",
};

function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => deeperThan(inner, levels - 1));
}
