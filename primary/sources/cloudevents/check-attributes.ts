// The attributes of one CloudEvent, checked by the CloudEvents 1.0.2 specification (section 3) and its JSON format. An error
// names the attribute, what it held and the way out; what an extension holds is never shown, since it may be a secret.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { AdmitError, type AdmitErrorCode, shorten } from "../../admit/admit-error.js";
import { describe } from "../../admit/check-field.js";
import { nearestName } from "../../admit/nearest-name.js";
import type { JsonObject } from "../../admit/parse-line.js";

/** A CloudEvent whose attributes are as the specification wants them; those that are null are left out. */
export interface CheckedEvent {
  id: string;
  source: string;
  type: string;
  subject: string | undefined;
  time: string | undefined;
  /** Attributes that set a field of ours, by their names. */
  ours: { [name in OurAttribute]?: string };
  /** All other attributes, `source`, `type` and `subject` among them. */
  kept: JsonObject;
  data: JsonValue | undefined;
  dataBase64: string | undefined;
}

const OUR_ATTRIBUTES = [
  "isochronelement",
  "isochrontype",
  "isochronaction",
  "isochronactor",
  "isochronpriority",
] as const;
export type OurAttribute = (typeof OUR_ATTRIBUTES)[number];

const NAMES = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];
/** They have fields of their own, or are the same in every event. */
const NOT_KEPT: ReadonlySet<string> = new Set(["specversion", "id", "time", ...OUR_ATTRIBUTES]);

/** @throws AdmitError */
export function checkAttributes(event: JsonObject): CheckedEvent {
  checkVersion(event);
  const kept: JsonObject = {};
  for (const [name, value] of Object.entries(event)) {
    if (name === "data" || name === "data_base64" || value === null) continue;
    checkName(name);
    checkType(name, value);
    if (!NOT_KEPT.has(name)) kept[name] = value;
  }
  const checked: CheckedEvent = {
    id: required(event, "id"),
    source: matching("source", required(event, "source"), URI_REFERENCE, "a URI-reference", "percent-encode it"),
    type: required(event, "type"),
    subject: optional(event, "subject"),
    time: optional(event, "time"),
    ours: Object.fromEntries(OUR_ATTRIBUTES.map((name) => [name, optional(event, name)])),
    kept,
    data: event.data,
    dataBase64: base64Of(event),
  };
  const { datacontenttype, dataschema } = kept;
  if (checked.time !== undefined) matching("time", checked.time, RFC_3339, "an RFC 3339 time", TIME_HINT);
  if (datacontenttype !== undefined) {
    matching("datacontenttype", datacontenttype as string, MEDIA_TYPE, "a media type", "such as application/json");
  }
  if (dataschema !== undefined) {
    matching("dataschema", dataschema as string, URI, "a URI", "give it a scheme, such as https:");
  }
  return checked;
}

const TIME_HINT = "write it as 2026-11-20T10:05:00.123456Z, with Z or an offset";
const CHARACTERS = String.raw`(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})`;
const URI_REFERENCE = new RegExp(`^${CHARACTERS}+$`);
const URI = new RegExp(`^[A-Za-z][A-Za-z0-9+.-]*:${CHARACTERS}*$`);
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;
const TOKEN = "[A-Za-z0-9!#$&^_.+-]{1,127}";
const MEDIA_TYPE = new RegExp(`^${TOKEN}/${TOKEN}(?:\\s*;[\\x20-\\x7e]*)?$`);
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Of an attribute: patterns are tried on it, and nothing that is meant to describe an event is longer. */
const MAX_CHARS = 16_384;
const ATTRIBUTE = /^[a-z0-9]+$/;
const CONTROL = /\p{Cc}/u;

/** First: the attributes of other versions have other names. */
function checkVersion({ specversion }: JsonObject): void {
  if (specversion === "1.0") return;
  const held = typeof specversion === "object" ? undefined : String(specversion);
  refuse("specversion", held, "only version 1.0 of CloudEvents is known", 'send "specversion":"1.0", a string');
}

function checkName(name: string): void {
  if (ATTRIBUTE.test(name) && !(name.startsWith("isochron") && !OUR_ATTRIBUTES.includes(name as OurAttribute))) return;
  const near = nearestName(name, [...NAMES, "data_base64", ...OUR_ATTRIBUTES]);
  throw new AdmitError("unknown-field", {
    field: shorten(name),
    reason: ATTRIBUTE.test(name)
      ? "there is no such attribute of ours"
      : "the name of an attribute is made of lower-case letters and digits",
    hint: near ? `did you mean ${near}?` : "put your own structure into data",
  });
}

/** Strings, booleans and 32-bit integers; the ones that the specification names are strings. */
function checkType(name: string, value: JsonValue): void {
  const named = NAMES.includes(name) || OUR_ATTRIBUTES.includes(name as OurAttribute);
  if (typeof value === "string") {
    if (value.length > MAX_CHARS) {
      const reason = `it has ${value.length} characters; at most ${MAX_CHARS} are kept`;
      fail("too-long", name, named ? value : undefined, reason, "put what is long into data");
    }
    if (!CONTROL.test(value)) return;
    fail(
      "control-character",
      name,
      named ? JSON.stringify(value) : undefined,
      "it holds a control character",
      "leave it out",
    );
  }
  if (!named && (typeof value === "boolean" || (typeof value === "number" && value === (value | 0)))) return;
  const scalar = typeof value !== "object" && named ? String(value) : undefined;
  const wanted = named ? "a string" : "a string, a boolean or a 32-bit integer";
  fail("wrong-type", name, scalar, `it is ${describe(value)}, not ${wanted}`, "structure belongs into data");
}

function required(event: JsonObject, name: string): string {
  const value = optional(event, name);
  if (value !== undefined) return value;
  return fail("missing-field", name, undefined, "it is missing", "a CloudEvent has specversion, id, source and type");
}

/** Its type has been checked. */
function optional(event: JsonObject, name: string): string | undefined {
  const value = event[name] ?? undefined;
  if (value === "") fail("empty", name, '""', "it is empty", `give ${name} a value, or leave it out`);
  return value as string | undefined;
}

function matching(name: string, value: string, pattern: RegExp, what: string, hint: string): string {
  return pattern.test(value) ? value : refuse(name, value, `it is not ${what}`, hint);
}

function base64Of(event: JsonObject): string | undefined {
  const text = event.data_base64 ?? undefined;
  if (text === undefined) return undefined;
  if (event.data !== undefined) {
    refuse("data_base64", undefined, "data is there as well", "send the payload once, as data or as data_base64");
  }
  if (typeof text === "string" && text.length % 4 === 0 && BASE64.test(text)) return text;
  return refuse("data_base64", undefined, "it is no Base64", "encode it as RFC 4648 has it, with its padding");
}

function refuse(name: string, value: string | undefined, reason: string, hint: string): never {
  return fail("bad-cloudevent", name, value, reason, hint);
}

function fail(code: AdmitErrorCode, field: string, value: string | undefined, reason: string, hint: string): never {
  throw new AdmitError(code, { field, value, reason, hint });
}
