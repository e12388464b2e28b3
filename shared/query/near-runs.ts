// Which rows to read from disk when a few are wanted: neighbours in one go, because opening and asking cost more than the
// rows between.
import type { RowRange } from "./plan-segments.js";

/** Rows that are read in vain rather than ask again. */
const MOST_BETWEEN = 32;

/** Ranges that hold all of `positions`, which are sorted. */
export function nearRuns(positions: readonly number[]): RowRange[] {
  const runs: RowRange[] = [];
  for (const position of positions) {
    const last = runs.at(-1);
    const end = last ? last.first + last.rows : 0;
    if (last && position - end <= MOST_BETWEEN) last.rows = position + 1 - last.first;
    else runs.push({ first: position, rows: 1 });
  }
  return runs;
}
