// The `heuristic` space: 72 features of an event, computed without a model. Made once, when the event is written, and
// streamed; a replica uses it only for queries. The same event must give the same bytes on every machine and for ever:
// any change below is a new version text, hence another fingerprint and another space.
//
// | dimensions | share | what                                                                                     |
// |------------|-------|------------------------------------------------------------------------------------------|
// | 0–7        | 0.18  | element id: three signed hash buckets                                                     |
// | 8–11       | 0.08  | element type: one signed hash bucket                                                      |
// | 12–19      | 0.16  | action: one-hot by hash bucket, signed                                                    |
// | 20–51      | 0.38  | words: keys and string values of the state, signed hash buckets; no numbers or hex ids    |
// | 52–55      | 0.04  | structure: depth, members, items of arrays, characters of strings (logarithms)            |
// | 56–59      | 0.04  | value types: shares of strings, numbers, booleans and nulls, objects and arrays           |
// | 60–63      | 0.04  | time: sine and cosine of the hour of the day and of the day of the week (UTC)             |
// | 64–71      | 0.08  | the element's last five actions before this one: signed hash buckets, each older one x 0.7 |
//
// `share` is the part of the squared length that a group gets; an empty group leaves its share to the others. Every value
// is a multiple of 1/16 and the squares sum to exactly 1: a row is normalised without rounding error, and its bytes
// are few distinct words, which zstd packs several times better than free floats. Version 1 was the same without the last
// actions: its rows stay where they are, in a space of their own, and a store may have both.
import type { JsonValue } from "../format/canonical-json.js";
import type { Entry } from "../format/entry.js";
import { sha256Hex } from "../format/hash.js";
import type { Space } from "../format/space.js";
import { addWords, hashText } from "./hash-words.js";
import { measureState } from "./measure-state.js";
import { listActions, type RecentActions } from "./recent-actions.js";
import { roundToUnit } from "./round-to-unit.js";

const DIMENSIONS = 72;
const VERSION =
  "isochron heuristic 2: 72 = id 8 x3 .18, type 4 .08, action 8 .16, words 32 .38, structure 4 .04, types 4 .04, " +
  "time 4 .04, last 5 actions 8 x.7^age .08; fnv-1a 32 of UTF-16 with murmur3 finaliser; words of 2-24 letters, keys x.5, names (2 letters, then digits) x.4; multiples of 1/16";

export const heuristicSpace: Space = {
  format: 1,
  model: "heuristic",
  fingerprint: sha256Hex(VERSION),
  dimensions: DIMENSIONS,
  dtype: "f32",
  metric: "cosine",
  normalised: true,
};

const ID = { at: 0, size: 8, share: 0.18 };
const TYPE = { at: 8, size: 4, share: 0.08 };
const ACTION = { at: 12, size: 8, share: 0.16 };
const WORDS = { at: 20, size: 32, share: 0.38 };
const STRUCTURE = { at: 52, size: 4, share: 0.04 };
const TYPES = { at: 56, size: 4, share: 0.04 };
const TIME = { at: 60, size: 4, share: 0.04 };
const RECENT = { at: 64, size: 8, share: 0.08 };
type Group = typeof ID;
const GROUPS: readonly Group[] = [ID, TYPE, ACTION, WORDS, STRUCTURE, TYPES, TIME, RECENT];

/** The vector of an event: 72 values, length 1, never NaN. `state` is its parsed `state_snapshot`. */
export function embedHeuristic(
  entry: Pick<Entry, "action" | "element_id" | "element_type" | "timestamp">,
  state: JsonValue,
  recentActions: RecentActions,
): Float32Array {
  const raw = new Float64Array(DIMENSIONS);
  addBuckets(raw, ID, hashText(entry.element_id), 3);
  addBuckets(raw, TYPE, hashText(entry.element_type), 1);
  addBuckets(raw, ACTION, hashText(entry.action), 1);
  addWords(raw.subarray(WORDS.at, WORDS.at + WORDS.size), state);
  addState(raw, state);
  addTime(raw, entry.timestamp);
  addRecent(raw, recentActions);
  for (const group of GROUPS) scaleGroup(raw, group);
  return roundToUnit(raw);
}

/** Sets `count` buckets of the group, each by its own bits of `hash`; the lowest bit left over is the sign. */
function addBuckets(raw: Float64Array, { at, size }: Group, hash: number, count: number): void {
  let bits = hash;
  for (let i = 0; i < count; i += 1) {
    const index = at + (bits % size);
    raw[index] = (raw[index] ?? 0) + ((bits >>> 8) & 1 ? 1 : -1);
    bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d) >>> 0;
  }
}

function addState(raw: Float64Array, state: JsonValue): void {
  const { depth, members, items, characters, strings, numbers, flags, containers } = measureState(state);
  const values = strings + numbers + flags + containers;
  raw.set([depth, Math.log2(1 + members), Math.log2(1 + items), Math.log2(1 + characters) / 2].map(Math.round), 52);
  raw.set(
    [strings, numbers, flags, containers].map((count) => Math.round((8 * count) / values) / 8),
    56,
  );
}

const HOUR_RADIANS = (2 * Math.PI) / 24;
const DAY_RADIANS = (2 * Math.PI) / 7;

/** `timestamp` in the stored form; a text that is none adds nothing. */
function addTime(raw: Float64Array, timestamp: string): void {
  const millis = Date.parse(`${timestamp.slice(0, 19)}Z`);
  if (Number.isNaN(millis)) return;
  const date = new Date(millis);
  const hour = date.getUTCHours() * HOUR_RADIANS;
  const day = date.getUTCDay() * DAY_RADIANS;
  raw.set([Math.sin(hour), Math.cos(hour), Math.sin(day), Math.cos(day)], TIME.at);
}

const AGE_WEIGHT = 0.7;

function addRecent(raw: Float64Array, recentActions: RecentActions): void {
  let weight = 1;
  for (const code of listActions(recentActions)) {
    const bits = code - 1;
    const index = RECENT.at + (bits % RECENT.size);
    raw[index] = (raw[index] ?? 0) + ((bits >>> 3) & 1 ? weight : -weight);
    weight *= AGE_WEIGHT;
  }
}

function scaleGroup(raw: Float64Array, { at, size, share }: Group): void {
  let squares = 0;
  for (let i = at; i < at + size; i += 1) squares += (raw[i] ?? 0) ** 2;
  if (squares === 0) return;
  const factor = Math.sqrt(share / squares);
  for (let i = at; i < at + size; i += 1) raw[i] = (raw[i] ?? 0) * factor;
}
