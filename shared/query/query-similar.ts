// `similar`: events whose vectors lie nearest to that of a given event, or of an element's latest event that has one.
import type { EventRow } from "./event-layer.js";
import { type EventSummary, type QueryContext, rowOfSeq, summarise, topHeightOf } from "./query-context.js";
import { QueryError } from "./query-error.js";
import type { VectorIndex } from "./vector-index.js";

export type SimilarQuery = ({ seq: number } | { element: string }) & { limit: number };

export interface SimilarAnswer {
  /** The event that others are compared with. */
  of: EventSummary;
  space: string;
  index: { state: string; covered: number; rows: number };
  results: (EventSummary & { cosine: number })[];
}

/** How far down a chain an event with a vector is looked for: the newest events may not have theirs yet. */
const MOST_LOOKED_AT = 1000;

/** @throws QueryError `unknown-event`, `unknown-element`, `no-vectors` */
export async function querySimilar(context: QueryContext, query: SimilarQuery): Promise<SimilarAnswer> {
  const candidates = "seq" in query ? [rowOfSeq(context, query.seq)] : latestOf(context, query.element);
  for (const row of candidates) {
    const found = spaceWith(context, row.seq);
    const vector = await found?.index.vectorOf(row.seq);
    if (!found || !vector) continue;
    const near = await found.index.nearest(vector, query.limit + 1, context.size);
    const others = near.filter(({ seq }) => seq !== row.seq).slice(0, query.limit);
    const { state, covered, rows } = found.index.status();
    const results = others.map(({ seq, cosine }) => ({ ...summarise(rowOfSeq(context, seq)), cosine }));
    return { of: summarise(row), space: found.space, index: { state, covered, rows }, results };
  }
  throw noVectors(context, query);
}

function* latestOf(context: QueryContext, element: string): Generator<EventRow> {
  const top = topHeightOf(context, element);
  for (let height = top; height >= 0 && height > top - MOST_LOOKED_AT; height -= 1) {
    const row = context.layer.chain(element, height, 1, context.size)[0];
    if (row) yield row;
  }
}

/** Covers enough to be asked: a space that is still being filled, or that only some events get, would leave most out. */
const ENOUGH_ROWS = 0.5;

/** Of the spaces that have a vector of the event the best one that covers about as much as any: a model's, a larger one's. */
export function spaceWith({ spaces }: QueryContext, seq: number): { space: string; index: VectorIndex } | undefined {
  const having = [...spaces].map(([space, index]) => ({ space, index })).filter(({ index }) => index.has(seq));
  const mostRows = Math.max(...having.map(({ index }) => index.rows));
  return having
    .filter(({ index }) => index.rows >= ENOUGH_ROWS * mostRows)
    .sort(({ index: a }, { index: b }) => {
      return b.space.format - a.space.format || b.space.dimensions - a.space.dimensions || b.rows - a.rows;
    })[0];
}

function noVectors({ spaces }: QueryContext, query: SimilarQuery): QueryError {
  const what = "seq" in query ? `event ${query.seq}` : `any event of ${query.element}`;
  const hint =
    spaces.size === 0
      ? "the primary runs at vector level none; with `vectorize.level: heuristic` new events get vectors"
      : "seals have no vector, and an event's vector may come with a later generation";
  return new QueryError("no-vectors", `there is no vector of ${what}`, { hint });
}
