// What a start finds in the ledger of events that have no row: each one's priority, and whether it gets a row at all. Only
// entries are read: the states are read by the worker that embeds them.
import type { Entry, Priority } from "../../shared/format/entry.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE } from "../../shared/format/seal.js";
import { readLineBatches } from "../../shared/store/read-lines.js";

export interface Rowless {
  seq: number;
  priority: Priority;
  isSeal: boolean;
}

/** Events from `from` up to but not including `to` without a row, in order. These lines were checked at the opening. */
export async function* findRowless(
  entries: string,
  { from, to, hasRow }: { from: number; to: number; hasRow: (seq: number) => boolean },
): AsyncGenerator<Rowless> {
  if (from >= to) return;
  for await (const batch of readLineBatches(entries, from)) {
    for (const line of batch) {
      if ("fault" in line || line.seq >= to) return;
      if (hasRow(line.seq)) continue;
      const { priority, ...entry } = JSON.parse(line.bytes.toString()) as Entry;
      yield { seq: line.seq, priority, isSeal: isSealEntry(entry) };
    }
  }
}

/** A seal speaks of vectors and has none. */
export function isSealEntry({ element_type, action }: Pick<Entry, "element_type" | "action">): boolean {
  return element_type === SEAL_ELEMENT_TYPE && action === SEAL_ACTION;
}
