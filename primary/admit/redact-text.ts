// Secrets inside strings (command lines, log messages, URLs), in the well-known forms only:
//   password=x  --password x  "password":"x"     any key that the key rule calls secret; quotes respected
//   Authorization: Bearer x   Bearer x           HTTP headers, any scheme
//   scheme://user:x@host                         URL userinfo
//   -----BEGIN … PRIVATE KEY----- … -----END     PEM
// Linear in the length of the text, which is hostile: every pattern is anchored on a literal and bounded; what is not bounded (a
// value, a PEM body) is walked once and passed over.
import type { SecretKeyTest } from "./secret-keys.js";

export const REDACTED = "[redacted]";

/** Whether any string of the JSON line `text` may hold one of the forms: false spares the look at each string. */
export function mayHoldSecretText(text: string): boolean {
  // Escapes could spell any of the signs, so they count as a suspicion; a double quote inside a string is one.
  return text.includes("\\") || holdsSign(text, SINGLE_QUOTED_END);
}

/** `text` with the secret parts replaced; the same string when there were none. */
export function redactText(text: string, isSecretKey: SecretKeyTest): string {
  if (!holdsSign(text, QUOTED_END)) return text;
  let result = text;
  if (HEADER_WORD.test(result)) {
    result = result.replace(AUTHORIZATION, `$1${REDACTED}`).replace(BEARER, `$1${REDACTED}`);
  }
  if (result.includes("://")) result = result.replace(USERINFO, `$1${REDACTED}@`);
  if (result.includes("PRIVATE KEY-----")) result = redactPem(result);
  return redactPairs(result, isSecretKey);
}

/** Every form has one of these signs; `quotedEnd` is the end of a quoted key. */
function holdsSign(text: string, quotedEnd: RegExp): boolean {
  return (
    text.includes("=") || text.includes("--") || text.includes("://") || HEADER_WORD.test(text) || quotedEnd.test(text)
  );
}

const COLON = String.raw`\s{0,4}:`;
const QUOTED_END = new RegExp(`["']${COLON}`);
const SINGLE_QUOTED_END = new RegExp(`'${COLON}`);
const HEADER_WORD = /bearer|authorization/i;
const AUTHORIZATION =
  /(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|digest|negotiate|token)\s{1,4})?)(?!\[redacted\])[^\s"',;]+/gi;
// A modem's bearer is a path or a word: a token has a digit and does not start with a slash.
const BEARER = /\b(bearer\s{1,4})(?!\/)(?=[^\s\d]{0,64}\d)[\w.~+/-]{8,}=*/gi;
const USERINFO = /(:\/\/[^\s/:@]{0,256}:)[^\s/@]{1,1024}@/g;
const PEM_BEGIN = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----/g;
const PEM_END = /-----END(?:[A-Z ]{0,48}-----)?/g;

/** A key without its end hides the rest. */
function redactPem(text: string): string {
  let result = "";
  let kept = 0;
  PEM_BEGIN.lastIndex = 0;
  for (let begin = PEM_BEGIN.exec(text); begin !== null; begin = PEM_BEGIN.exec(text)) {
    PEM_END.lastIndex = PEM_BEGIN.lastIndex;
    const end = PEM_END.exec(text);
    result += text.slice(kept, begin.index) + REDACTED;
    kept = end === null ? text.length : PEM_END.lastIndex;
    PEM_BEGIN.lastIndex = kept;
  }
  return kept === 0 ? text : result + text.slice(kept);
}

const SEPARATOR = new RegExp(String.raw`=|["']${COLON}\s{0,4}|(?<!-)--([\w-]{1,64})\s{1,4}`, "g");
const KEY_CHARACTER = /[\w.-]/;
const KEY_CHARS = 64;
const QUOTED = /["']/;
const VALUE_FIRST = /[^\s&;,"'}\]]/;
const VALUE_END = /[\s&;,"'}]/g;

function redactPairs(text: string, isSecretKey: SecretKeyTest): string {
  let result = "";
  let kept = 0;
  SEPARATOR.lastIndex = 0;
  for (let match = SEPARATOR.exec(text); match !== null; match = SEPARATOR.exec(text)) {
    const key = match[1] ?? keyBefore(text, match.index);
    if (key === undefined || !isSecretKey(key)) continue;
    const start = SEPARATOR.lastIndex;
    // Asked before the value is walked: what is walked must be passed over too, or many keys would walk the same text.
    if (text.startsWith(REDACTED, start)) continue;
    const end = valueEnd(text, start);
    if (end === start) continue;
    const quote = quoteAt(text, start);
    result += `${text.slice(kept, start)}${quote}${REDACTED}${quote}`;
    kept = end;
    SEPARATOR.lastIndex = kept;
  }
  return kept === 0 ? text : result + text.slice(kept);
}

function keyBefore(text: string, end: number): string | undefined {
  let start = end;
  while (start > 0 && end - start < KEY_CHARS && KEY_CHARACTER.test(text[start - 1] as string)) start -= 1;
  return start === end ? undefined : text.slice(start, end);
}

function quoteAt(text: string, at: number): string {
  const first = text[at] ?? "";
  return QUOTED.test(first) ? first : "";
}

/** Where the value that starts at `start` ends; `start` if there is none. An unclosed quote hides the rest. */
function valueEnd(text: string, start: number): number {
  const quote = quoteAt(text, start);
  if (quote !== "") return closingQuote(text, start + 1, quote) + 1;
  if (start === text.length || !VALUE_FIRST.test(text[start] as string)) return start;
  VALUE_END.lastIndex = start;
  return VALUE_END.exec(text)?.index ?? text.length;
}

/** The place of the quote, or of the text's last character. Within `"` a backslash takes what follows along. */
function closingQuote(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === quote) return at;
    if (quote === '"' && text[at] === "\\") at += 1;
  }
  return text.length - 1;
}
