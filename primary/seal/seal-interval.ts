// The intervals at which generations can be made, and the grid in time that each of them lies on: whole minutes, quarters
// of an hour, hours, midnights and the midnight before Monday, all UTC. So every host seals at the same moments.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Length of each; `per-op` has none: it is a generation for every change. */
const LENGTHS_MS = {
  "per-op": 0,
  "1min": MINUTE_MS,
  "5min": 5 * MINUTE_MS,
  "15min": 15 * MINUTE_MS,
  "30min": 30 * MINUTE_MS,
  "1h": HOUR_MS,
  "1d": DAY_MS,
  "1w": 7 * DAY_MS,
} as const;

export type SealInterval = keyof typeof LENGTHS_MS;

export const SEAL_INTERVALS = Object.keys(LENGTHS_MS) as [SealInterval, ...SealInterval[]];

/** 1970-01-01 was a Thursday; weeks begin on the Monday after it. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

export function intervalMs(interval: SealInterval): number {
  return LENGTHS_MS[interval];
}

/** The first moment of the grid after `wallMs`, in milliseconds since 1970. */
export function nextOnGrid(interval: Exclude<SealInterval, "per-op">, wallMs: number): number {
  const lengthMs = LENGTHS_MS[interval];
  const offsetMs = interval === "1w" ? FIRST_MONDAY_MS : 0;
  return offsetMs + (Math.floor((wallMs - offsetMs) / lengthMs) + 1) * lengthMs;
}
