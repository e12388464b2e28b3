// From when an event is recorded to its place in the ledger: the first event that was recorded at or after a time. Only the
// segment it is in is read, and the first line of those before it.

import type { Entry } from "../../../shared/format/entry.js";
import { firstSeqOf } from "../../../shared/format/segment-name.js";
import { isStoredTimestamp } from "../../../shared/format/timestamp.js";
import { listSegments, readLineBatches } from "../../../shared/store/read-lines.js";

/** `time` in stored form; `size` where no event is as new. Where the clock was set back, the first such event counts. */
export async function findSeqAt(entries: string, time: string, size: number): Promise<number> {
  if (!isStoredTimestamp(time)) throw new Error(`${time} is no time in stored form`);
  const firsts = listSegments(entries, "jsonl")
    .map(firstSeqOf)
    .filter((seq) => seq < size);
  let from = 0;
  for (const first of firsts) {
    if (((await recordedAt(entries, first)) ?? time) >= time) break;
    from = first;
  }
  for await (const batch of readLineBatches(entries, from)) {
    for (const line of batch) {
      if ("fault" in line || line.seq >= size) return size;
      if (recordedOf(line.bytes) >= time) return line.seq;
    }
  }
  return size;
}

async function recordedAt(entries: string, seq: number): Promise<string | undefined> {
  for await (const [line] of readLineBatches(entries, seq)) {
    return line && !("fault" in line) ? recordedOf(line.bytes) : undefined;
  }
  return undefined;
}

function recordedOf(bytes: Buffer): string {
  return (JSON.parse(bytes.toString()) as Entry).recorded;
}
