// Templates of bus rules: plain text with placeholders for what a signal holds, such as `unit:{arg0}`. They are read once,
// with the configuration; a placeholder that does not exist is found then, and never when a signal comes.
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import { plainValue } from "../../../../shared/dbus/plain-value.js";
import type { JsonValue } from "../../../../shared/format/canonical-json.js";

/** The text for one signal; undefined where the signal does not hold what a placeholder names. */
export type Template = (message: BusMessage) => string | undefined;

type Part = (message: BusMessage) => JsonValue | undefined;

/** How placeholders are written, for messages and documentation. */
export const PLACEHOLDERS = "{path}, {path.last}, {interface}, {member}, {arg0}, {arg1.Key}";

const BY_NAME: Readonly<Record<string, Part>> = {
  path: ({ path }) => path,
  "path.last": ({ path }) => path.slice(path.lastIndexOf("/") + 1),
  interface: ({ interface: iface }) => iface,
  member: ({ member }) => member,
};
/** D-Bus allows 64 arguments in a match rule, and so do we. */
const ARGUMENT = /^arg(\d|[1-5]\d|6[0-3])(?:\.(.+))?$/;

/** What is wrong with a template, or undefined if nothing is. */
export function templateProblem(text: string): string | undefined {
  for (const piece of pieces(text)) {
    if (piece === "{}") return `{} names nothing; there are ${PLACEHOLDERS}`;
    if (piece.length === 1 && /[{}]/.test(piece)) return `it has a ${piece} without its counterpart`;
    if (isPlaceholder(piece) && !placeholder(piece)) return `there is no ${piece}; there are ${PLACEHOLDERS}`;
  }
  return undefined;
}

/** A template that has no problem. */
export function parseTemplate(text: string): Template {
  const parts = pieces(text).map((piece): Part => placeholder(piece) ?? (() => piece));
  return (message) => {
    let filled = "";
    for (const part of parts) {
      const value = part(message);
      if (value === undefined) return undefined;
      filled += typeof value === "string" ? value : JSON.stringify(value);
    }
    return filled;
  };
}

/** Placeholders, lone braces, and the text between them. */
function pieces(text: string): string[] {
  return text.match(/\{[^{}]*\}|[{}]|[^{}]+/g) ?? [];
}

function isPlaceholder(piece: string): boolean {
  return piece.startsWith("{") && piece.endsWith("}") && piece.length > 1;
}

function placeholder(piece: string): Part | undefined {
  if (!isPlaceholder(piece)) return undefined;
  const name = piece.slice(1, -1);
  if (Object.hasOwn(BY_NAME, name)) return BY_NAME[name];
  const [, index, key] = ARGUMENT.exec(name) ?? [];
  if (index === undefined) return undefined;
  return ({ body }) => {
    if (Number(index) >= body.length) return undefined;
    const value = plainValue(body[Number(index)]);
    return key === undefined ? value : memberOf(value, key);
  };
}

/** Of a dictionary by key, of an array or structure by place. */
function memberOf(value: JsonValue, key: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) return /^\d+$/.test(key) ? value[Number(key)] : undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
