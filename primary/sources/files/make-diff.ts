// Unified diffs of two texts, of bounded cost: the search for the shortest one is given up after a while, and then the diff
// takes away all old lines and adds all new ones, which is as true.
import { FILE_HEADERS_ONLY, formatPatch, type StructuredPatch, structuredPatch } from "diff";

/** The event loop stands still for so long at the most. */
const SEARCH_MS = 40;
const CONTEXT_LINES = 3;
const NOT_THERE = "/dev/null";

/** Undefined as text: there was, or is, no file. `patch -p0` understands the result. */
export function makeDiff(path: string, before: string | undefined, after: string | undefined): string {
  const names: [string, string] = [before === undefined ? NOT_THERE : path, after === undefined ? NOT_THERE : path];
  const [old = "", now = ""] = [before, after];
  const patch = structuredPatch(...names, old, now, undefined, undefined, {
    context: CONTEXT_LINES,
    timeout: SEARCH_MS,
  });
  const whole = patch ?? replaceAll(...names, old, now);
  return whole.hunks.length === 0 ? "" : formatPatch(whole, FILE_HEADERS_ONLY);
}

function replaceAll(oldFileName: string, newFileName: string, old: string, now: string): StructuredPatch {
  const [removed, added] = [linesOf(old), linesOf(now)];
  const hunk = { oldStart: 1, oldLines: removed.length, newStart: 1, newLines: added.length };
  const lines = [...signed("-", removed, old), ...signed("+", added, now)];
  return { oldFileName, newFileName, oldHeader: undefined, newHeader: undefined, hunks: [{ ...hunk, lines }] };
}

function linesOf(text: string): string[] {
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

function signed(sign: string, lines: string[], text: string): string[] {
  const marked = lines.map((line) => sign + line);
  return text.endsWith("\n") ? marked : [...marked, "\\ No newline at end of file"];
}
