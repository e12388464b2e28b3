// Which names of a window's events are unusual, against the events before it. Three kinds: `new`, a type or an actor that
// never was before; `rare`, an action or an actor that hardly ever was there; `burst`, far more events than before.
// Thresholds keep what is merely uncommon out; the score says how far beyond them a finding is.
import type { EarlierNames } from "./earlier-names.js";
import type { History } from "./event-history.js";
import { type Counted, pairKey, type SpanCounts } from "./span-counts.js";
import { bitsOf, burstBits, smoothedShare } from "./surprise.js";

export interface Anomaly {
  kind: "new" | "rare" | "burst";
  /** Bits: how unlikely it is, by what was before. */
  score: number;
  /** What is unusual is what these names together say. */
  element_id?: string;
  element_type?: string;
  action?: string;
  actor?: string;
  /** Such events in the window, and before it. */
  count: number;
  earlier: number;
  /** Of `new` and `rare`: earlier events whose name was about as rare or rarer, and those among which they are counted. */
  as_rare?: number;
  of?: number;
  /** Of `burst`: events that the rate before lets be expected in the window. */
  expected?: number;
  /** The same in words. */
  reason: string;
  /** Some of the events in the window. */
  seqs: number[];
}

/** A share of 1 in 64 or more is nothing rare. With less than 31 earlier events nothing can be. */
const LEAST_RARE_BITS = 6;
/** If the window, long as it is, could be expected to have this many of them, none of them is unusual. */
const MOST_RARE_EXPECTED = 0.5;
/** Once in a thousand such windows, twice what is expected, and not a handful. */
const LEAST_BURST_BITS = 10;
const LEAST_BURST_RATIO = 2;
const LEAST_BURST_EVENTS = 10;

/** The most unlikely first. */
export function findAnomalies(window: SpanCounts, history: History): Anomaly[] {
  return [...findNew(window, history), ...findRare(window, history), ...findBursts(window, history)].sort(
    (a, b) => b.score - a.score || compareTexts(a.reason, b.reason),
  );
}

function* findNew({ types, actors }: SpanCounts, history: History): Generator<Anomaly> {
  for (const counted of types.values()) {
    const seen = seenOf(history.names("type"), counted.type, history.total);
    if (seen.earlier === 0 && isRare(seen)) yield rarity("new", counted, seen, "", `of type ${counted.type}`);
  }
  for (const counted of actors.values()) {
    const seen = seenOf(history.names("actor"), counted.actor, history.total);
    if (seen.earlier === 0 && isRare(seen)) yield rarity("new", counted, seen, "", `by ${counted.actor}`);
  }
}

function* findRare(window: SpanCounts, history: History): Generator<Anomaly> {
  const found = new Set<string>();
  const typeOf = ({ type = "" }: Counted) => ({
    among: window.types.get(type)?.count,
    of: history.names("type").count(type),
  });
  for (const [key, counted] of window.typeActions) {
    const { type = "", action } = counted;
    const { among, of } = typeOf(counted);
    const seen = seenOf(history.names("type-action", type), action, of);
    if (!isRare(seen, among)) continue;
    found.add(key);
    yield rarity("rare", counted, seen, ` of type ${type}`, `"${action}"`);
  }
  for (const counted of window.typeActors.values()) {
    const { type = "", actor = "" } = counted;
    const { among, of } = typeOf(counted);
    const seen = seenOf(history.names("type-actor", type), actor, of);
    // An actor who is new everywhere is new, not rare here.
    if (!isRare(seen, among) || history.names("actor").count(actor) === 0) continue;
    yield rarity("rare", counted, seen, ` of type ${type}`, `by ${actor}`);
  }
  for (const counted of window.elementActions.values()) {
    const { type = "", action = "", element = "" } = counted;
    if (found.has(pairKey(type, action))) continue;
    const seen = seenOnElement(counted, history, window.elements.get(element)?.count);
    if (seen) yield rarity("rare", counted, seen, ` of ${element}`, `"${action}"`);
  }
}

/** How often something was there before. */
interface Seen {
  earlier: number;
  /** Events whose name was about as rare or rarer, this one's among them. */
  asRare: number;
  /** All that could have been it. */
  of: number;
}

function seenOf(names: EarlierNames, name = "", of: number): Seen {
  const earlier = names.count(name);
  return { earlier, asRare: names.asRareAs(earlier), of };
}

/** Only if it is rare: of most elements nothing needs to be counted to know that it is not. */
function seenOnElement(
  { type = "", action = "", element = "" }: Counted,
  history: History,
  among = 0,
): Seen | undefined {
  const of = history.element(element);
  const never = { earlier: 0, asRare: 0, of };
  if (!isRare(never, among)) return undefined;
  // Where actions on such elements are new every day, one that is new on this element is nothing.
  const newOnType = {
    ...never,
    asRare: history.names("type-action", type).asRareAs(0),
    of: history.names("type").count(type),
  };
  if (!isRare(newOnType)) return undefined;
  const earlier = history.elementAction(element, action, Math.ceil(of * 2 ** -LEAST_RARE_BITS) + 1);
  const seen = { earlier, asRare: earlier, of };
  return isRare(seen, among) ? seen : undefined;
}

/** `among` are the events in the window that could have been it. */
function isRare({ asRare, of }: Seen, among = 0): boolean {
  const share = smoothedShare(asRare, of);
  return bitsOf(share) >= LEAST_RARE_BITS && share * among < MOST_RARE_EXPECTED;
}

function rarity(kind: "new" | "rare", counted: Counted, seen: Seen, whose: string, what: string): Anomaly {
  const { earlier, asRare, of } = seen;
  const share = smoothedShare(asRare, of);
  const amount = earlier === 0 ? "none" : String(earlier);
  const rare = `1 event in ${Math.round(1 / share)} is as rare`;
  const reason = `${amount} of the ${of} earlier events${whose} ${earlier > 1 ? "were" : "was"} ${what}; ${rare}`;
  const figures = { earlier, as_rare: asRare, of };
  return { kind, score: round(bitsOf(share)), ...namesIn(counted), ...figures, reason, seqs: counted.seqs };
}

function* findBursts(window: SpanCounts, history: History): Generator<Anomaly> {
  for (const counts of [window.types, window.actors, window.elements]) {
    for (const counted of counts.values()) yield* burst(counted, counts.size, history);
  }
}

/**
 * A rate needs something to be counted, for at least as long as the window is. Of `compared` names each has its chance to
 * be out of the ordinary, so that much more unlikely one of them must be.
 */
function* burst(counted: Counted, compared: number, history: History): Generator<Anomaly> {
  const { count, seqs } = counted;
  if (count < LEAST_BURST_EVENTS) return;
  const earlier = history.sameAs(counted);
  const knownMicros = earlier === 0 ? 0 : history.knownMicros(counted);
  if (knownMicros < history.windowMicros) return;
  // Half an event more, for the same reason as in a share.
  const expected = ((earlier + 0.5) * history.windowMicros) / knownMicros;
  const score = burstBits(count, expected);
  if (score < LEAST_BURST_BITS + Math.log2(compared) || count < LEAST_BURST_RATIO * expected) return;
  const now = `${count} events ${whoseOf(counted)} in ${formatSpan(history.windowMicros)}`;
  const reason = `${now}; ${earlier} in the ${formatSpan(knownMicros)} before let ${round(expected)} be expected`;
  yield { kind: "burst", score: round(score), ...namesIn(counted), earlier, expected: round(expected), reason, seqs };
}

function whoseOf({ element, actor, type }: Counted): string {
  if (element !== undefined) return `of ${element}`;
  return actor === undefined ? `of type ${type}` : `by ${actor}`;
}

function namesIn({ element, type, action, actor, count }: Counted) {
  return {
    ...(element === undefined ? {} : { element_id: element }),
    ...(type === undefined ? {} : { element_type: type }),
    ...(action === undefined ? {} : { action }),
    ...(actor === undefined ? {} : { actor }),
    count,
  };
}

const UNITS: [string, number][] = [
  ["d", 86_400e6],
  ["h", 3_600e6],
  ["min", 60e6],
  ["s", 1e6],
];

/** In the largest unit that there are two of, or one exactly. */
function formatSpan(micros: number): string {
  const [unit, size] = UNITS.find(([, size]) => micros >= 2 * size || micros === size) ?? ["s", 1e6];
  return `${Math.round((micros / size) * 10) / 10} ${unit}`;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
