// A state as phrases in words, sorted by how much they tell. Bounded in members and depth, however large the state. Within
// a kind they stand in the order of the state, which is that of RFC 8785.
import type { JsonValue } from "../../format/canonical-json.js";
import { describeDiff } from "./describe-diff.js";
import { maskText } from "./mask-text.js";

export interface StatePhrases {
  /** What somebody wrote to be read: a log line, an error, a difference. */
  messages: string[];
  /** What strings say, and what is true. */
  told: Phrase[];
  /** Names of what says nothing once it is masked. */
  named: string[];
  /** Names of what is false. */
  denied: string[];
}

export interface Phrase {
  name: string;
  /** Empty for what is true. */
  value: string;
}

const MOST_VALUES = 64;
const MOST_ITEMS = 8;
const MOST_DEPTH = 8;
/**
 * Members that hold what somebody wrote to be read, by their names as words. Part of the text's version: another list is
 * another text, and so another space. What people are shown of an event is chosen elsewhere (query/search/make-excerpt.ts).
 */
const MESSAGE_NAMES = new Set([
  ...[
    "message",
    "msg",
    "text",
    "log",
    "line",
    "summary",
    "title",
    "body",
    "description",
    "comment",
    "detail",
    "details",
  ],
  ...[
    "event",
    "error",
    "err",
    "error message",
    "exception",
    "failure",
    "cause",
    "reason",
    "status text",
    "result text",
  ],
]);
const DIFF_NAME = "diff";

export function describeState(state: JsonValue): StatePhrases {
  const phrases: StatePhrases = { messages: [], told: [], named: [], denied: [] };
  describe(state, "", { phrases, left: MOST_VALUES, depth: 0 });
  return phrases;
}

interface Walk {
  phrases: StatePhrases;
  left: number;
  depth: number;
}

function describe(value: JsonValue, name: string, walk: Walk): void {
  if (walk.left <= 0 || walk.depth > MOST_DEPTH) return;
  walk.left -= 1;
  const { told, named, denied } = walk.phrases;
  if (value === null || value === "") return;
  if (typeof value === "string") describeText(value, name, walk.phrases);
  else if (typeof value === "number") named.push(name);
  else if (value === true) told.push({ name, value: "" });
  else if (value === false) denied.push(name);
  else if (Array.isArray(value)) describeItems(value, name, walk);
  else describeMembers(value, walk);
}

function describeText(text: string, name: string, { messages, told, named }: StatePhrases): void {
  const value = name === DIFF_NAME ? describeDiff(text) : maskText(text);
  if (value === "") named.push(name);
  else if (name === "" || name === DIFF_NAME || MESSAGE_NAMES.has(name)) messages.push(value);
  else told.push({ name, value });
}

function describeItems(items: readonly JsonValue[], name: string, walk: Walk): void {
  const first = items.slice(0, MOST_ITEMS);
  const texts = first.filter((item) => typeof item === "string");
  const said = [...new Set(texts.map(maskText))].filter((text) => text !== "").join(", ");
  const isPlain = first.some((item) => typeof item !== "object");
  if (said !== "") describeSaid(said, name, walk.phrases);
  else if (isPlain) walk.phrases.named.push(name);
  walk.depth += 1;
  for (const item of first) if (typeof item === "object") describe(item, name, walk);
  walk.depth -= 1;
}

function describeSaid(value: string, name: string, { messages, told }: StatePhrases): void {
  if (name === "" || MESSAGE_NAMES.has(name)) messages.push(value);
  else told.push({ name, value });
}

function describeMembers(members: { [key: string]: JsonValue }, walk: Walk): void {
  walk.depth += 1;
  for (const key of Object.keys(members)) {
    if (walk.left <= 0) break;
    describe(members[key] as JsonValue, maskText(key), walk);
  }
  walk.depth -= 1;
}
