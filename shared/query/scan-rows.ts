// The exact scan of a range of rows: those in memory first, the others from disk.
import type { RowShape } from "../format/vector-row.js";
import { type BestHits, scanBlock } from "./nearest-rows.js";
import type { RowRange } from "./plan-segments.js";
import type { TailRows } from "./tail-rows.js";
import { type RowFiles, readRowChunks } from "./vector-rows.js";

export interface ScannedRows {
  files: RowFiles;
  tail: TailRows;
  space: RowShape & { normalised: boolean };
}

/** Offers every row of the range to `best`. `unit` has length 1. */
export async function scanRows(
  { files, tail, space }: ScannedRows,
  { first, rows }: RowRange,
  unit: Float32Array,
  best: BestHits,
): Promise<void> {
  const block = tail.block();
  const end = first + rows;
  const [from, to] = block.rows > 0 ? [block.first, block.first + block.rows] : [end, end];
  scanBlock(block, Math.max(first, from), Math.min(end, to), unit, space.normalised, best);
  const onDisk = [
    { from: first, to: Math.min(end, from) },
    { from: Math.max(first, to), to: end },
  ];
  for (const part of onDisk) {
    for await (const chunk of readRowChunks(files, space, part.from, part.to)) {
      scanBlock(chunk, part.from, part.to, unit, space.normalised, best);
    }
  }
}
