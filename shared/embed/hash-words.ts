// Words of a state as signed hash buckets, so that states which say similar things lie near each other.
import type { JsonValue } from "../format/canonical-json.js";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Bounds on the work for one event, whatever its size. */
const MOST_WORDS = 96;
const MOST_CHARS = 4096;
const LONGEST_WORD = 24;
const KEY_WEIGHT = 0.5;
/** Names such as `eth0`: they tell one thing from another of its kind, so they weigh less than the words of the kind. */
const NAME_WEIGHT = 0.4;
/** A name starts with letters; what starts with a digit, or after one letter, is a number, an address or a hex id. */
const LEAD_LETTERS = 2;

/** FNV-1a over UTF-16 code units, then murmur3's finaliser: 32 bits. */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return finalise(hash);
}

/** Adds the words of `state` (keys and strings) to `buckets`, each bucket damped so that no word drowns the others. */
export function addWords(buckets: Float64Array, state: JsonValue): void {
  const left = { words: MOST_WORDS, chars: MOST_CHARS };
  addValue(buckets, state, left);
  for (let i = 0; i < buckets.length; i += 1) {
    const sum = buckets[i] ?? 0;
    buckets[i] = Math.sign(sum) * Math.sqrt(Math.abs(sum));
  }
}

interface Budget {
  words: number;
  chars: number;
}

function addValue(buckets: Float64Array, value: JsonValue, left: Budget): void {
  if (left.words <= 0) return;
  if (typeof value === "string") addText(buckets, value, 1, left);
  else if (Array.isArray(value)) for (const item of value) addValue(buckets, item, left);
  else if (typeof value === "object" && value !== null) {
    for (const key of Object.keys(value)) {
      if (left.words <= 0) return;
      addText(buckets, key, KEY_WEIGHT, left);
      addValue(buckets, value[key] as JsonValue, left);
    }
  }
}

/** A word is a run of letters, or of letters and then digits. The rest changes from event to event and says little. */
function addText(buckets: Float64Array, text: string, weight: number, left: Budget): void {
  const end = Math.min(text.length, left.chars);
  left.chars -= end;
  let hash = FNV_OFFSET;
  let length = 0;
  let digits = 0;
  let lead = 0;
  for (let i = 0; i <= end; i += 1) {
    const code = i < end ? text.charCodeAt(i) : 0x20;
    const lower = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
    const letter = (lower >= 0x61 && lower <= 0x7a) || code >= 0x80;
    const digit = code >= 0x30 && code <= 0x39;
    if (letter || digit) {
      hash = Math.imul(hash ^ lower, FNV_PRIME);
      length += 1;
      if (digit) digits += 1;
      else if (digits === 0) lead += 1;
      continue;
    }
    if (length >= 2 && length <= LONGEST_WORD && (digits === 0 || lead >= LEAD_LETTERS) && left.words > 0) {
      left.words -= 1;
      const share = digits === 0 ? weight : weight * NAME_WEIGHT;
      const bits = finalise(hash);
      const bucket = bits % buckets.length;
      buckets[bucket] = (buckets[bucket] ?? 0) + ((bits >>> 8) & 1 ? share : -share);
    }
    hash = FNV_OFFSET;
    length = 0;
    digits = 0;
    lead = 0;
  }
}

function finalise(hash: number): number {
  let bits = hash ^ (hash >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
