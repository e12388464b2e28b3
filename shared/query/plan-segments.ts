// Decides which runs of rows become HNSW segments. Pure: the vector index carries it out.

/** Rows `first` to `first + rows` of a space. */
export interface RowRange {
  first: number;
  rows: number;
}

export const MOST_SEGMENT_ROWS = 131_072;
/** Floats of newest rows that are scanned exactly, about a millisecond's work; beyond, they become a segment. */
export const MOST_TAIL_FLOATS = 1_000_000;

export interface PlanLimits {
  dimensions: number;
  /** Builds that run at a time. */
  processes: number;
  /** By default MOST_TAIL_FLOATS. A run of more than twice as many is worth splitting over the cores. */
  tailFloats?: number | undefined;
}

/**
 * Segments to build next, each replacing the segments it covers; none when all is well. `covered` is sorted and does not
 * overlap. A hole below the last segment (a damaged file) is always filled. Newest rows wait until they are many, and then
 * take up the segments before them that are no larger, so that sizes at least halve from each segment to the next: few
 * segments, and each row rebuilt a logarithmic number of times.
 */
export function planSegments(covered: readonly RowRange[], rows: number, limits: PlanLimits): RowRange[] {
  const plan: RowRange[] = [];
  const tailRows = Math.floor((limits.tailFloats ?? MOST_TAIL_FLOATS) / limits.dimensions);
  const split = (range: RowRange) => splitEvenly(range, range.rows > 2 * tailRows ? limits.processes : 1);
  let at = 0;
  for (const { first, rows: length } of covered) {
    if (first > at) plan.push(...split({ first: at, rows: first - at }));
    at = first + length;
  }
  const newest = { first: at, rows: rows - at };
  if (newest.rows <= tailRows) return plan;
  if (newest.rows > 2 * tailRows) return [...plan, ...split(newest)];
  return [...plan, withSmallerBefore(newest, covered)];
}

/** Equal parts, as many as keep every process busy and no part too large. */
function splitEvenly(range: RowRange, processes: number): RowRange[] {
  const least = Math.ceil(range.rows / MOST_SEGMENT_ROWS);
  const wanted = Math.ceil(least / processes) * processes;
  return Array.from({ length: wanted }, (_, i) => {
    const first = range.first + Math.floor((range.rows * i) / wanted);
    const end = range.first + Math.floor((range.rows * (i + 1)) / wanted);
    return { first, rows: end - first };
  });
}

function withSmallerBefore(newest: RowRange, covered: readonly RowRange[]): RowRange {
  let { first, rows } = newest;
  for (const before of [...covered].reverse()) {
    const adjoins = before.first + before.rows === first;
    if (!adjoins || before.rows > rows || before.rows + rows > MOST_SEGMENT_ROWS) break;
    first = before.first;
    rows += before.rows;
  }
  return { first, rows };
}

/** What of rows 0 to `rows` the sorted `covered` leaves out. */
export function uncovered(covered: readonly RowRange[], rows: number): RowRange[] {
  const gaps: RowRange[] = [];
  let at = 0;
  for (const range of covered) {
    if (range.first > at) gaps.push({ first: at, rows: range.first - at });
    at = range.first + range.rows;
  }
  if (rows > at) gaps.push({ first: at, rows: rows - at });
  return gaps;
}
