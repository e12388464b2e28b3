// Secrets inside strings (command lines, log messages, URLs), in the well-known forms only:
//   password=x  --password x  "password":"x"     any key that the key rule calls secret; quotes respected
//   Authorization: Bearer x   Bearer x           HTTP headers, any scheme
//   scheme://user:x@host                         URL userinfo
//   -----BEGIN … PRIVATE KEY----- … -----END     PEM
// Linear in the length of the text: every pattern is anchored on a literal and bounded, since the text is hostile.
import type { SecretKeyTest } from "./secret-keys.js";

export const REDACTED = "[redacted]";

const MAY_HOLD = /[=]|:\/\/|--|["']\s?:|bearer|authorization/i;

/** Whether any string of the line `text` may hold one of the forms: false spares the look at each string. */
export function mayHoldSecretText(text: string): boolean {
  // Escapes could spell any of the signs, so they count as a suspicion.
  return (
    text.includes("=") ||
    text.includes("--") ||
    text.includes("://") ||
    text.includes("\\") ||
    HEADER_WORD.test(text) ||
    text.includes("':")
  );
}

/** `text` with the secret parts replaced; the same string when there were none. */
export function redactText(text: string, isSecretKey: SecretKeyTest): string {
  if (!MAY_HOLD.test(text)) return text;
  let result = text;
  if (HEADER_WORD.test(result)) {
    result = result.replace(AUTHORIZATION, `$1${REDACTED}`).replace(BEARER, `$1${REDACTED}`);
  }
  if (result.includes("://")) result = result.replace(USERINFO, `$1${REDACTED}@`);
  if (result.includes("PRIVATE KEY-----")) result = result.replace(PEM, REDACTED);
  return redactPairs(result, isSecretKey);
}

const HEADER_WORD = /bearer|authorization/i;
const AUTHORIZATION =
  /(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|digest|negotiate|token)\s{1,4})?)(?!\[redacted\])[^\s"',;]+/gi;
// A modem's bearer is a path or a word: a token has a digit and does not start with a slash.
const BEARER = /\b(bearer\s{1,4})(?!\/)(?=[^\s\d]{0,64}\d)[\w.~+/-]{8,}=*/gi;
const USERINFO = /(:\/\/[^\s/:@]{0,256}:)[^\s/@]{1,1024}@/g;
const PEM = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----END))*(?:-----END[A-Z ]{0,48}-----)?/g;

const SEPARATOR = /=|["']\s?:\s?|(?<!-)--([\w-]{1,64})\s{1,4}/g;
const KEY_END = /[\w.-]{1,64}$/;
// The closing quote is optional: an unclosed one hides the rest, and the pattern never backtracks.
const VALUE = /"(?:[^"\\]+|\\[\s\S])*"?|'[^']*'?|[^\s&;,"'}\]][^\s&;,"'}]*/y;

function redactPairs(text: string, isSecretKey: SecretKeyTest): string {
  let result = "";
  let kept = 0;
  SEPARATOR.lastIndex = 0;
  for (let match = SEPARATOR.exec(text); match !== null; match = SEPARATOR.exec(text)) {
    const key = match[1] ?? keyBefore(text, match.index);
    if (key === undefined || !isSecretKey(key)) continue;
    VALUE.lastIndex = SEPARATOR.lastIndex;
    const value = VALUE.exec(text)?.[0];
    if (value === undefined || value.startsWith(REDACTED.slice(0, -1))) continue;
    const quote = /^["']/.exec(value)?.[0] ?? "";
    result += `${text.slice(kept, SEPARATOR.lastIndex)}${quote}${REDACTED}${quote}`;
    kept = SEPARATOR.lastIndex + value.length;
    SEPARATOR.lastIndex = kept;
  }
  return kept === 0 ? text : result + text.slice(kept);
}

function keyBefore(text: string, end: number): string | undefined {
  return KEY_END.exec(text.slice(Math.max(0, end - 64), end))?.[0];
}
