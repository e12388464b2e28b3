// The events of a span of time counted by what they are named by, with a few numbers of events that show each. Seals are
// left out: the primary makes them by itself, as often as there is something to seal.
import { setImmediate as nextTurn } from "node:timers/promises";
import { SEAL_ELEMENT_TYPE } from "../format/seal.js";
import type { EventGroup, TimeSpan } from "./event-layer.js";
import type { QueryContext } from "./query-context.js";

/** Events of the span that have these names in common. */
export interface Counted {
  element?: string;
  type?: string;
  action?: string;
  actor?: string;
  count: number;
  /** Some of them, in order. */
  seqs: number[];
}

const MOST_SEQS = 5;
/** Events that are grouped in one turn of the event loop, some 50 ms of work; then other queries get theirs. */
const EVENTS_PER_TURN = 20_000;

export class SpanCounts {
  readonly #byElement: boolean;
  total = 0;
  readonly types = new Map<string, Counted>();
  readonly actors = new Map<string, Counted>();
  readonly elements = new Map<string, Counted>();
  readonly typeActions = new Map<string, Counted>();
  readonly typeActors = new Map<string, Counted>();
  readonly elementActions = new Map<string, Counted>();

  /** Counts what `context` answers for in `span`; by elements only if asked to, for there can be very many. */
  static async of(context: QueryContext, span: TimeSpan, byElement: boolean): Promise<SpanCounts> {
    const counts = new SpanCounts(byElement);
    await counts.#addSpan(context, span);
    return counts;
  }

  private constructor(byElement: boolean) {
    this.#byElement = byElement;
  }

  /** Halves the span until what is in it is little enough for one turn. */
  async #addSpan(context: QueryContext, { fromMicros, toMicros }: TimeSpan): Promise<void> {
    const { layer, size } = context;
    const events = layer.countBetween({ fromMicros, toMicros }, size);
    if (events === 0) return;
    if (events > EVENTS_PER_TURN && fromMicros < toMicros) {
      const middle = fromMicros + Math.floor((toMicros - fromMicros) / 2);
      await this.#addSpan(context, { fromMicros, toMicros: middle });
      await this.#addSpan(context, { fromMicros: middle + 1, toMicros });
      return;
    }
    for (const group of layer.groups({ fromMicros, toMicros }, this.#byElement, size)) this.#add(group);
    await nextTurn();
  }

  #add(group: EventGroup): void {
    const { element, type, action, actor, count } = group;
    if (type === SEAL_ELEMENT_TYPE) return;
    this.total += count;
    countUp(this.types, type, { type }, group);
    countUp(this.actors, actor, { actor }, group);
    countUp(this.typeActions, pairKey(type, action), { type, action }, group);
    countUp(this.typeActors, pairKey(type, actor), { type, actor }, group);
    if (element === undefined) return;
    countUp(this.elements, element, { element, type }, group);
    countUp(this.elementActions, pairKey(element, action), { element, type, action }, group);
  }
}

/** Two names as one key; the length keeps `a` + `bc` from being `ab` + `c`. */
export function pairKey(first: string, second: string): string {
  return `${first.length} ${first}${second}`;
}

function countUp(
  counts: Map<string, Counted>,
  key: string,
  names: Omit<Counted, "count" | "seqs">,
  { count, firstSeq, lastSeq }: EventGroup,
): void {
  const counted = counts.get(key);
  if (counted) {
    counted.count += count;
    addSeq(counted.seqs, firstSeq);
    if (count > 1) addSeq(counted.seqs, lastSeq);
  } else counts.set(key, { ...names, count, seqs: count > 1 ? [firstSeq, lastSeq] : [firstSeq] });
}

/** Keeps the first few, in order. An event is in one group only, so none comes twice. */
function addSeq(seqs: number[], seq: number): void {
  const at = seqs.findIndex((other) => other > seq);
  if (at >= 0) seqs.splice(at, 0, seq);
  else if (seqs.length < MOST_SEQS) seqs.push(seq);
  if (seqs.length > MOST_SEQS) seqs.pop();
}
