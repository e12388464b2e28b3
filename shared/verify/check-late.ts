// Events that a seal calls late: acked, in the generation, and still without their row. A seal may call late only what
// is new since the seal before, or was late there; and an event leaves the list in no other way than with its row.
import { join } from "node:path";
import { countSeqs, hasSeq, rangesOf, type SeqRange, type SeqRanges, withoutSeqs } from "../format/seq-ranges.js";
import type { TreeLayout } from "../store/layout.js";
import { readRowSeqs } from "../store/read-row-seqs.js";
import { VerifyError } from "./verify-error.js";
import type { FoundSeal } from "./walk-range.js";

/** How the seal before left it: its size, and what it called late. */
export interface LateBefore {
  size: number;
  late: SeqRanges;
}

/**
 * Returns what the next seal finds. The rows that `found` adds must have been checked before; without late events they
 * are not looked at. `widths` has the bytes of a row by space.
 *
 * @throws VerifyError `tampered`, naming the seal
 */
export async function checkLate(
  tree: TreeLayout,
  found: FoundSeal,
  widths: ReadonlyMap<string, number>,
  before: LateBefore,
): Promise<LateBefore> {
  const { seq, seal } = found;
  const late = seal.late ?? [];
  const after = { size: seq + 1, late };
  if (late.length === 0 && before.late.length === 0) return after;
  if ((late.at(-1)?.[1] ?? -1) >= seq) throw badSeal(seq, `it calls events late that come after it`);
  const [old] = withoutSeqs(late, before.late);
  if (old && old[0] < before.size) throw badSeal(seq, `it calls event ${old[0]} late, which the seal before did not`);
  const followed = withoutSeqs(before.late, late);
  const { lateRow, missing } = await lookForRows(tree, found, widths, late, followed);
  if (lateRow !== undefined) throw badSeal(seq, `it calls event ${lateRow} late and adds its row`);
  if (missing !== undefined) throw badSeal(seq, `event ${missing} is late no more and got no row`);
  return after;
}

/** The first row of an event that is late, and the first event of `followed` without a row. */
async function lookForRows(
  tree: TreeLayout,
  { seal }: FoundSeal,
  widths: ReadonlyMap<string, number>,
  late: SeqRanges,
  followed: readonly SeqRange[],
): Promise<{ lateRow: number | undefined; missing: number | undefined }> {
  const came: number[] = [];
  for (const { space, added } of seal.spaces) {
    const width = widths.get(space) as number;
    for (const { file, first, rows } of added) {
      for await (const seqs of readRowSeqs(join(tree.space(space), file), width, first, rows)) {
        const lateRow = seqs.find((seq) => hasSeq(late, seq));
        if (lateRow !== undefined) return { lateRow, missing: undefined };
        for (const seq of seqs) if (hasSeq(followed, seq)) came.push(seq);
      }
    }
  }
  const distinct = [...new Set(came)].sort((a, b) => a - b);
  if (distinct.length === countSeqs(followed)) return { lateRow: undefined, missing: undefined };
  return { lateRow: undefined, missing: withoutSeqs(followed, rangesOf(distinct))[0]?.[0] };
}

function badSeal(seq: number, message: string): VerifyError {
  return new VerifyError("tampered", { file: "timing/entries", seq }, message);
}
