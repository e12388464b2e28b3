// When a generation was sealed: by its last entry, which stands under the signed root. A received copy holds the same bytes,
// so both sides tell the same time of it.
import { parseEntry } from "../format/entry.js";
import { parseTimestamp } from "../format/timestamp.js";
import type { TreeLayout } from "./layout.js";
import { readLastLine } from "./read-last-line.js";

/** Milliseconds since 1970; `undefined` where the last entry cannot be read as one. */
export async function readSealedMs(tree: TreeLayout): Promise<number | undefined> {
  try {
    return parseTimestamp(parseEntry((await readLastLine(tree.entries))?.toString() ?? "").recorded) / 1000;
  } catch {
    return undefined;
  }
}
