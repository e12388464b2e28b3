// Values as they come off the bus, made into JSON: variants are opened, 64-bit numbers become decimal strings (JSON's
// numbers cannot hold them all), bytes become text where they are text and hex where they are not.
import { isUtf8 } from "node:buffer";
import type { JsonValue } from "../format/canonical-json.js";
import { isVariant } from "./variant.js";

export type JsonObject = { [key: string]: JsonValue };

export function plainValue(value: unknown): JsonValue {
  if (isVariant(value)) return plainValue(value.value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "boolean") return value;
  if (Buffer.isBuffer(value)) return textOrHex(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value === "object" && value !== null) return plainObject(value as Record<string, unknown>);
  return null;
}

/** A dictionary (`a{sv}` and its like) as an object; null-prototyped, because its keys come from strangers. */
export function plainObject(dictionary: Record<string, unknown>): JsonObject {
  const object: JsonObject = Object.create(null) as JsonObject;
  for (const [key, value] of Object.entries(dictionary)) object[key] = plainValue(value);
  return object;
}

/** Names such as an SSID or a cgroup path come as bytes, often with a NUL at the end. */
function textOrHex(bytes: Buffer): string {
  const text = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes;
  const printable = isUtf8(text) && !/(?![\t\n])\p{Cc}/u.test(text.toString("utf8"));
  return printable ? text.toString("utf8") : bytes.toString("hex");
}
