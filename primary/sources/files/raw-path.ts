// Paths as bytes. A file's name is bytes and need not be UTF-8, so inside this source a path is a string with one character
// for each byte (latin1). Ids that people see are made here; two files must never get the same one.
import { sha256Hex } from "../../../shared/format/hash.js";
import type { JsonObject } from "../watch/element-change.js";

/** One character a byte. */
export type RawPath = string;

export const FILE_TYPE = "File";

const PREFIX = "file:";
/** Admission keeps 1024 characters of an id. */
const MAX_ID_CHARS = 1024;
const KEPT_CHARS = 900;
/** Stands in no other id: there, two hex digits follow each `%`. */
const CUT = "%~";

export function toBytes(path: RawPath): Buffer {
  return Buffer.from(path, "latin1");
}

export function fromBytes(bytes: Uint8Array): RawPath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Of a path that was written as text, such as in the configuration. */
export function fromText(text: string): RawPath {
  return Buffer.from(text, "utf8").toString("latin1");
}

export function joinPath(folder: RawPath, name: string): RawPath {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

/** `file:/etc/hosts`. A path that is too long for an id is cut, and its hash put to its end. */
export function elementIdOf(path: RawPath): string {
  const id = PREFIX + readablePath(path);
  if (id.length <= MAX_ID_CHARS) return id;
  return `${id.slice(0, KEPT_CHARS).toWellFormed()}${CUT}${sha256Hex(toBytes(path))}`;
}

export function isCut(elementId: string): boolean {
  return elementId.includes(CUT);
}

/** The path that `elementIdOf` made the id of; a cut one stands in the state. */
export function pathOfElement(elementId: string, state: JsonObject): RawPath {
  const text = isCut(elementId) ? String(state.path) : elementId.slice(PREFIX.length);
  return fromText(text).replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/;
/** Printable ASCII without `%`, one UTF-8 sequence, or any other byte. */
const PIECES =
  /[\x20-\x24\x26-\x7e]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|./gs;
/** Control characters, and what turns or hides text on a terminal. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** As text. What is no UTF-8, cannot be seen, or is a `%` stands as `%` and two hex digits a byte. */
export function readablePath(path: RawPath): string {
  if (PLAIN.test(path)) return path;
  return path.replace(PIECES, (piece) => {
    if (PLAIN.test(piece)) return piece;
    const text = piece.length === 1 ? "" : toBytes(piece).toString("utf8");
    return text === "" || UNSEEN.test(text) ? escapeBytes(piece) : text;
  });
}

function escapeBytes(piece: string): string {
  let escaped = "";
  for (const byte of toBytes(piece)) escaped += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return escaped;
}
