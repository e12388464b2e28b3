// What varies from event to event goes out of a text, so that events which say the same have the same text, and one
// embedding serves them all: numbers, addresses, ids, times. A word that merely has a digit (`eth0`, `ipv6`) stays. What
// is left are lower-case words: no sign takes the place of what went, a model reads that better. Nothing is lost: full
// text and the state's fields have it all.

/** Characters of a text that are looked at. */
const MOST_CHARS = 4096;

/** The words of `text` that say what it is about, in lower case, one space between them. Also for questions. */
export function maskText(text: string): string {
  const words: string[] = [];
  for (const [run] of text.slice(0, MOST_CHARS).replace(VARYING, " ").matchAll(WORD)) {
    for (const part of run.split(BETWEEN_PARTS)) {
      const kept = keepWord(part);
      if (kept !== "") words.push(kept.toLowerCase());
    }
  }
  return words.join(" ");
}

const HEX = "[0-9a-fA-F]";
const HEX_GROUPS = `${HEX}{1,4}(?::${HEX}{1,4})`;
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";

/** What is more than one word and must go as a whole. Every repetition is bounded, so that no text takes long. */
const VARYING = new RegExp(
  [
    // UUIDs.
    `\\b${HEX}{8}(?:-${HEX}{4}){3}-${HEX}{12}\\b`,
    // 2026-11-20T10:05:00.123Z, 2026-11-20 10:05, 2026/11/20.
    "\\b\\d{4}[-/]\\d{2}[-/]\\d{2}(?:[T _]\\d{2}:\\d{2}(?::\\d{2})?(?:[.,]\\d{1,9})?(?:Z|[+-]\\d{2}:?\\d{2})?)?",
    // Nov 20; Fri, 20 Nov 2026. The hours are numbers.
    `\\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:\\d{1,2}[ -])?${MONTH}[ -]{1,2}\\d{1,4}\\b`,
    // MAC addresses and fingerprints.
    `\\b${HEX}{2}(?:[:-]${HEX}{2}){5,31}\\b`,
    // IPv6 addresses; those with dots are numbers.
    `(?<![\\w:])(?:${HEX_GROUPS}{7}|(?:${HEX_GROUPS}{0,6})?::(?:${HEX_GROUPS}{0,6})?)(?:%\\w{1,15})?(?![\\w:])`,
    // Temporary files: their names are made up.
    "(?<=/tmp/)[^\\s/'\"]{1,255}",
  ].join("|"),
  "g",
);

const WORD = /[\p{L}\p{M}\p{N}]+(?:['’]\p{L}+)?/gu;
/** `Active|State`, `HTTP|Server`, `Ip4|Config`; `OpenSSH`, `WiFi` and `DHCPv4` are one word, as people write them. */
const BETWEEN_PARTS =
  /(?<=[A-Za-z][a-z])(?=[A-Z][a-z]{2})|(?<=[A-Za-z]\d)(?=[A-Z][a-z]{2})|(?<=[A-Z]{2})(?=[A-Z][a-z]{2})/;

const LETTERS = /^[\p{L}\p{M}]+/u;
const HEX_WITH_DIGITS = /^(?:0x)?[0-9a-fA-F]{6,}$/;
const HEX_LETTERS = /^[a-fA-F]{8,}$/;
/** Longer runs of letters without accents are keys and the like. Scripts without spaces have longer ones. */
const ENCODED = /^[\x20-\x7e]{33,}$/;

/** The word, or its letters before a number, or nothing. */
function keepWord(word: string): string {
  if (ENCODED.test(word)) return "";
  const digits = countDigits(word);
  if (digits === 0) return HEX_LETTERS.test(word) ? "" : word;
  if (HEX_WITH_DIGITS.test(word)) return "";
  const [letters = ""] = LETTERS.exec(word) ?? [];
  if (digits === 1 && letters !== "") return word;
  return letters.length >= 2 ? letters : "";
}

function countDigits(word: string): number {
  let count = 0;
  for (let i = 0; i < word.length; i += 1) {
    const code = word.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) count += 1;
  }
  return count;
}
