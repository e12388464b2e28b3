// When the next generation is due: a pure decision from the strategy, what waits, and the time. It sets no timer and
// reads no clock. What must never happen: a generation that is due while nothing waits, or events that wait for ever.
import { formatDuration } from "../../shared/cli/parse-duration.js";
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import { intervalMs, nextOnGrid, type SealInterval } from "./seal-interval.js";

/** How long an event of each priority may wait for its seal, in milliseconds. */
export type SealDelays = Record<Priority, number>;

export type SealStrategy =
  | { kind: "realtime" }
  | { kind: "batch"; maxEvents: number; maxDelayMs: number }
  | { kind: "priority"; delaysMs: SealDelays }
  | { kind: "interval"; interval: SealInterval };

/** A moment on both clocks: the wall's can be set, the monotonic one stands still while the host sleeps. */
export interface Moment {
  wallMs: number;
  monotonicMs: number;
}

/** What is in the ledger and in no generation. */
export interface Waiting {
  events: number;
  /** When the first of each priority came. */
  since: Partial<Record<Priority, Moment>>;
}

export const NOTHING_WAITS: Waiting = { events: 0, since: {} };

/** How long what no strategy holds up may wait, where the strategy itself has no word for "soon". */
const SOON_MS = 1000;
/** The two clocks do not run equally fast: by the monotonic one, an interval is over only when it is so by a margin. */
const CLOCK_MARGIN = 1.01;

/** Milliseconds until a seal is due: 0 or less is at once, `Infinity` is not at all. */
export function dueInMs(strategy: SealStrategy, waiting: Waiting, now: Moment): number {
  const oldest = oldestOf(waiting);
  if (oldest === undefined) return Infinity;
  switch (strategy.kind) {
    case "realtime":
      return 0;
    case "batch":
      return waiting.events >= strategy.maxEvents ? 0 : strategy.maxDelayMs - elapsedMs(oldest, now);
    case "priority":
      return Math.min(...firsts(waiting).map(([priority, at]) => strategy.delaysMs[priority] - elapsedMs(at, now)));
    case "interval":
      return intervalDueInMs(strategy.interval, oldest, now);
  }
}

/** `waiting` with events that came just now. */
export function addWaiting(waiting: Waiting, counts: ReadonlyMap<Priority, number>, now: Moment): Waiting {
  const since = { ...waiting.since };
  let { events } = waiting;
  for (const [priority, count] of counts) {
    since[priority] ??= now;
    events += count;
  }
  return { events, since };
}

/** How soon a seal must follow that no strategy holds up: what a start found unsealed, or a seal that failed. */
export function soonMs(strategy: SealStrategy): number {
  return strategy.kind === "priority" ? strategy.delaysMs.high : SOON_MS;
}

/** The strategy with its settings, for people. */
export function describeStrategy(strategy: SealStrategy): string {
  switch (strategy.kind) {
    case "realtime":
      return "realtime";
    case "batch":
      return `batch of ${strategy.maxEvents} events or ${formatDuration(strategy.maxDelayMs)}`;
    case "priority":
      return `priority: ${PRIORITIES.map((one) => `${one} ${formatDuration(strategy.delaysMs[one])}`).join(", ")}`;
    case "interval":
      return `interval ${strategy.interval}`;
  }
}

/** The next moment of the grid; where the clock was set back meanwhile, one interval at the most. */
function intervalDueInMs(interval: SealInterval, oldest: Moment, now: Moment): number {
  if (interval === "per-op") return 0;
  const gridInMs = nextOnGrid(interval, oldest.wallMs) - now.wallMs;
  const atMostInMs = intervalMs(interval) * CLOCK_MARGIN - (now.monotonicMs - oldest.monotonicMs);
  return Math.min(gridInMs, atMostInMs);
}

/** By the clock that saw more of it: one may have been set back, the other stood still. */
function elapsedMs(since: Moment, now: Moment): number {
  return Math.max(now.wallMs - since.wallMs, now.monotonicMs - since.monotonicMs);
}

function oldestOf(waiting: Waiting): Moment | undefined {
  const moments = firsts(waiting).map(([, at]) => at);
  return moments.sort((a, b) => a.monotonicMs - b.monotonicMs)[0];
}

function firsts({ since }: Waiting): [Priority, Moment][] {
  return Object.entries(since) as [Priority, Moment][];
}
