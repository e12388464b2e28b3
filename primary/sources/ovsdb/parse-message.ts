// The bytes of one message to its JSON. OVSDB integers have 64 bits: those that a JavaScript number would round are kept
// as decimal strings, because a rounded one would be a lie in the ledger.
import { OvsdbError } from "./ovsdb-error.js";

export type WireObject = { [name: string]: unknown };

const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const INTEGER = /^-?\d+$/;

/** @throws OvsdbError `bad-message` */
export function parseMessage(bytes: Buffer): WireObject {
  let message: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    message = JSON.parse(/\d{16}/.test(text) ? quoteLargeIntegers(text) : text);
  } catch (cause) {
    throw new OvsdbError("bad-message", `a message is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (isWireObject(message)) return message;
  throw new OvsdbError("bad-message", "a message is no JSON object");
}

export function isWireObject(value: unknown): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function quoteLargeIntegers(text: string): string {
  return text.replace(STRINGS_AND_NUMBERS, (token) =>
    INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
  );
}
