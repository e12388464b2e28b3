// The searchable words of a payload: its reason, and every key, string and number of its state. Most payload lines hold
// no backslash, and of those the stored text itself serves: the tokenizer takes JSON's punctuation as spaces.
import type { JsonValue } from "../format/canonical-json.js";
import { FormatError } from "../format/format-error.js";
import { parsePayload } from "../format/payload.js";

const STATE_KEY = '"state_snapshot":';
const REASON = /^\{(?:"idempotency_key":"[^"]*",)?"reason":"([^"]*)"/;

/** @throws FormatError `bad-payload` */
export function wordsOfPayload(line: string): { reason: string; state: string } {
  // Without a backslash no string holds a quote, so the first `"state_snapshot":` is the key itself.
  if (line.includes("\\")) return wordsOfParsed(line);
  const at = line.indexOf(STATE_KEY);
  if (at < 0) return wordsOfParsed(line);
  return { reason: REASON.exec(line)?.[1] ?? "", state: line.slice(at + STATE_KEY.length, -1) };
}

function wordsOfParsed(line: string): { reason: string; state: string } {
  const { reason = "", state_snapshot } = parsePayload(line);
  if (typeof reason !== "string") throw new FormatError("bad-payload", "the payload's reason is no text");
  const words: string[] = [];
  gather(state_snapshot ?? null, words);
  return { reason, state: words.join(" ") };
}

function gather(value: JsonValue, words: string[]): void {
  if (value === null || typeof value === "boolean") return;
  if (typeof value !== "object") {
    words.push(String(value));
  } else if (Array.isArray(value)) {
    for (const item of value) gather(item, words);
  } else {
    for (const [key, item] of Object.entries(value)) {
      words.push(key);
      gather(item, words);
    }
  }
}
