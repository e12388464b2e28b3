// `anomalies`: what is unusual in a window of time, against all that came before it in the ledger. Where too little came
// before, it says so rather than call everything unusual.
import { formatTimestamp } from "../format/timestamp.js";
import { History } from "./event-history.js";
import type { TimeSpan } from "./event-layer.js";
import { type Anomaly, findAnomalies } from "./find-anomalies.js";
import { type QueryContext, rowOfSeq } from "./query-context.js";
import { badParameter } from "./query-error.js";
import { SpanCounts } from "./span-counts.js";

/** At most two of the three bounds. */
export interface AnomaliesQuery {
  fromMicros?: number | undefined;
  toMicros?: number | undefined;
  windowMicros?: number | undefined;
  limit: number;
}

export interface AnomaliesAnswer {
  /** The window, both ends included. */
  from: string;
  to: string;
  /** Events in the window, and before it; seals are not counted. */
  window_events: number;
  history_events: number;
  /** Time of the first event of the ledger, or null if the window begins with it. */
  history_from: string | null;
  /** What was not looked for, and why. */
  note?: string;
  /** All that was found, of which `results` has the first. */
  found: number;
  results: Anomaly[];
}

const USUAL_WINDOW_MICROS = 86_400e6;
/** With fewer there is no telling what is usual. */
const LEAST_HISTORY = 100;

/** @throws QueryError `bad-parameter`, `unknown-event` when the store is empty */
export async function queryAnomalies(context: QueryContext, query: AnomaliesQuery): Promise<AnomaliesAnswer> {
  const window = windowOf(context, query);
  const counts = await SpanCounts.of(context, window, true);
  const after = { fromMicros: window.toMicros + 1, toMicros: endMicros(context, true) };
  const history = new History(context, window, counts, await SpanCounts.of(context, after, false));
  const all = history.total < LEAST_HISTORY ? [] : findAnomalies(counts, history);
  const firstMicros = endMicros(context, false);
  return {
    from: formatTimestamp(window.fromMicros),
    to: formatTimestamp(window.toMicros),
    window_events: counts.total,
    history_events: history.total,
    history_from: firstMicros < window.fromMicros ? formatTimestamp(firstMicros) : null,
    ...noteOf(history, window.fromMicros - firstMicros),
    found: all.length,
    results: all.slice(0, query.limit),
  };
}

/**
 * Without `to` the window ends with the last entry of the ledger. That is a seal, whose time is the primary's own clock:
 * an event that claims to be of the year 2200 does not move the window there.
 */
function windowOf(context: QueryContext, { fromMicros, toMicros, windowMicros }: AnomaliesQuery): TimeSpan {
  if (fromMicros !== undefined && toMicros !== undefined) return span(fromMicros, toMicros);
  const length = windowMicros ?? USUAL_WINDOW_MICROS;
  if (fromMicros !== undefined && windowMicros !== undefined) return span(fromMicros, fromMicros + length);
  const to = toMicros ?? rowOfSeq(context, context.size - 1).atMicros;
  if (fromMicros === undefined) return span(to - length, to);
  if (fromMicros <= to) return span(fromMicros, to);
  throw badParameter("from", formatTimestamp(fromMicros), `the ledger ends at ${formatTimestamp(to)}`);
}

/** Within the times that an event can have. */
function span(fromMicros: number, toMicros: number): TimeSpan {
  const within = (micros: number) => Math.min(Math.max(micros, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  return { fromMicros: within(fromMicros), toMicros: within(toMicros) };
}

/** Time of the first or the last event by time. */
function endMicros({ layer, size }: QueryContext, reverse: boolean): number {
  const always = { fromMicros: Number.MIN_SAFE_INTEGER, toMicros: Number.MAX_SAFE_INTEGER };
  return layer.timeline({ ...always, reverse }, 1, size)[0]?.atMicros ?? 0;
}

function noteOf({ total, windowMicros }: History, historyMicros: number): { note?: string } {
  if (total < LEAST_HISTORY) {
    return {
      note: `too little came before the window to tell what is unusual: ${total} events, ${LEAST_HISTORY} needed`,
    };
  }
  if (historyMicros >= windowMicros) return {};
  return { note: "bursts are not looked for: less time came before the window than it is long" };
}
