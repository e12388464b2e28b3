// What an event of a file says besides its state: the action's name, and the diff or why there is none.
import type { JsonObject, NameChange } from "../watch/element-change.js";
import { areOfOneKey } from "./fingerprint-key.js";
import type { FileText } from "./inspect-file.js";
import { makeDiff } from "./make-diff.js";
import type { RedactConfigText } from "./redact-config-text.js";
import type { TextCache } from "./text-cache.js";

/** The state of an element that has left the watch list: it may be there, nobody looks. */
export const UNWATCHED: JsonObject = { watched: false };

export const nameFileChange: NameChange = (before, after) => {
  if (after.watched === false) return "unwatched";
  if (Object.keys(after).length === 0) return "deleted";
  if (before.watched === false || hasNewKey(before, after)) return "observed";
  return Object.keys(before).length === 0 ? "created" : "modified";
};

export interface ContentChange {
  elementId: string;
  /** As people read it. */
  path: string;
  before: JsonObject | undefined;
  after: JsonObject;
  text: FileText | undefined;
}

export interface DiffParts {
  cache: TextCache;
  redact: RedactConfigText;
  /** Longest diff; also the longest text. */
  maxDiffBytes: number;
}

/** The event's `diff`, or `diff_left_out` where the content changed and none is given. */
export function describeContentChange(change: ContentChange, parts: DiffParts): JsonObject {
  const { before = {}, after, text } = change;
  // Its first state is where diffs begin.
  if (change.before === undefined || before.watched === false || after.watched === false) return {};
  if (digestOf(before) === digestOf(after) && before.modified_at === after.modified_at) return {};
  if (text && "leftOut" in text) return { diff_left_out: text.leftOut };
  const old = oldText(change.elementId, before, parts);
  if (old === "not known") return text ? { diff_left_out: "no earlier text" } : {};
  const diff = makeDiff(change.path, old, text?.text);
  if (diff !== "") return boundDiff(diff, parts);
  // An empty file came or went; or all that changed is what is not shown.
  return old === undefined || !text ? {} : { diff_left_out: "secret" };
}

/** What `before` was as text; undefined: it was no file. Redacted anew, should the rules be stricter now than then. */
function oldText(
  elementId: string,
  before: JsonObject,
  { cache, redact }: DiffParts,
): string | undefined | "not known" {
  if (before.size_bytes === undefined) return undefined;
  const digest = digestOf(before);
  const text = digest === undefined ? undefined : cache.get(elementId, digest);
  return text === undefined ? "not known" : redact(text);
}

function boundDiff(diff: string, { maxDiffBytes }: DiffParts): JsonObject {
  // As JSON, because that is what the payload's bound counts.
  return Buffer.byteLength(JSON.stringify(diff)) > maxDiffBytes ? { diff_left_out: "too large" } : { diff };
}

/** Keeps the text that the next change is compared with. */
export function keepText(elementId: string, state: JsonObject, text: FileText | undefined, cache: TextCache): void {
  const digest = digestOf(state);
  if (digest !== undefined && text && "text" in text) cache.put(elementId, digest, text.text);
  else cache.delete(elementId);
}

function digestOf({ sha256, fingerprint }: JsonObject): string | undefined {
  const digest = sha256 ?? fingerprint;
  return typeof digest === "string" ? digest : undefined;
}

/** The fingerprint's key was lost: whether the content changed cannot be told. */
function hasNewKey(before: JsonObject, after: JsonObject): boolean {
  const [old, now] = [before.fingerprint, after.fingerprint];
  return typeof old === "string" && typeof now === "string" && !areOfOneKey(old, now);
}
