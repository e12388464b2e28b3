// Which generations stay for their own sake: the newest ones, and the newest of each hour, day and week (UTC). Pure: no
// clock, no disk. What is anyone's base, or on its way, stays besides; deletion is in tidy-generations.ts.

export interface KeepRule {
  /** The newest so many; 1 is the current one alone. */
  last: number;
  /** So many hours, days and weeks that hold a generation at all: a host that was off loses none of its history. */
  hourly: number;
  daily: number;
  weekly: number;
}

/** One current generation: the steady state. */
export const KEEP_CURRENT: Readonly<KeepRule> = { last: 1, hourly: 0, daily: 0, weekly: 0 };

export interface DatedGeneration {
  generation: number;
  /** When it was sealed, by its signed seal; `undefined` where that cannot be read. */
  sealedMs: number | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970 began on a Thursday; weeks begin on Mondays. */
const MONDAY_MS = 3 * DAY_MS;

export function selectKept(generations: readonly DatedGeneration[], keep: KeepRule): Set<number> {
  // By number, not by time: clocks are set back, numbers never.
  const newestFirst = [...generations].sort((a, b) => b.generation - a.generation);
  const kept = new Set(newestFirst.slice(0, keep.last).map(({ generation }) => generation));
  const periods: [count: number, bucketOf: (ms: number) => number][] = [
    [keep.hourly, (ms) => Math.floor(ms / HOUR_MS)],
    [keep.daily, (ms) => Math.floor(ms / DAY_MS)],
    [keep.weekly, (ms) => Math.floor((ms + MONDAY_MS) / WEEK_MS)],
  ];
  for (const [count, bucketOf] of periods) {
    for (const generation of newestOfEach(newestFirst, count, bucketOf)) kept.add(generation);
  }
  return kept;
}

/** Whether a rule needs to know when generations were sealed. */
export function needsTimes({ hourly, daily, weekly }: KeepRule): boolean {
  return hourly + daily + weekly > 0;
}

function newestOfEach(
  newestFirst: readonly DatedGeneration[],
  count: number,
  bucketOf: (ms: number) => number,
): number[] {
  const newest = new Map<number, number>();
  for (const { generation, sealedMs } of newestFirst) {
    if (newest.size >= count) break;
    if (sealedMs === undefined || newest.has(bucketOf(sealedMs))) continue;
    newest.set(bucketOf(sealedMs), generation);
  }
  return [...newest.values()];
}

/** A kept generation as `status` shows it. */
export interface KeptGeneration {
  generation: number;
  /** ISO 8601; null where its seal cannot be read. */
  sealed: string | null;
}

export function describeKept(kept: readonly DatedGeneration[]): KeptGeneration[] {
  return kept.map(({ generation, sealedMs }) => ({
    generation,
    sealed: sealedMs === undefined ? null : new Date(sealedMs).toISOString(),
  }));
}
