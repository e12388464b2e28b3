// `search`: plain words. A text leg (bm25 over names, reasons and states) and a vector leg, fused by rank (see fuse.ts).
// The spaces here cannot embed a question, so the vector leg looks around what the words found: its query is the mean of
// the best text hits' vectors, the better hits counting for more. Without text hits there is nothing to look around.
import { type FusedHit, fuse, type LegHit, type LegPlace } from "./fuse.js";
import { type EventSummary, type QueryContext, rowOfSeq, summarise } from "./query-context.js";
import { badParameter } from "./query-error.js";
import { spaceWith } from "./query-similar.js";
import type { VectorIndex } from "./vector-index.js";

/** Which legs answer: words, vectors, or both. */
export const SEARCH_MODES = ["text", "semantic", "hybrid"] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export interface SearchQuery {
  words: string;
  limit: number;
  /** By default `hybrid`. */
  mode?: SearchMode;
}

export interface SearchAnswer {
  legs: { text: string; vector: string };
  results: (EventSummary & { score: number; text?: LegPlace; vector?: LegPlace })[];
}

/** Hits taken from each leg, unless more are asked for. */
const LEG_DEPTH = 100;
/** Text hits that the vector leg looks around. */
const FEEDBACK_HITS = 5;

/** @throws QueryError `bad-parameter` when `words` holds no letter and no digit */
export async function querySearch(
  context: QueryContext,
  { words, limit, mode = "hybrid" }: SearchQuery,
): Promise<SearchAnswer> {
  // At control characters too: FTS5 takes a NUL for the end of the question.
  const wanted = words.split(/[\s\p{Cc}]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  if (wanted.length === 0) throw badParameter("q", words, "give at least one word, such as `wifi` or `eth0`");
  const depth = Math.max(LEG_DEPTH, limit);
  const text = context.layer.text(wanted, depth, context.size);
  const { hits, said } =
    mode === "text" ? { hits: [], said: "none: mode text" } : await vectorLeg(context, text, depth);
  const results = fuse(mode === "semantic" ? [] : text, hits, depth)
    .slice(0, limit)
    .map((hit) => resultOf(context, hit));
  return { legs: { text: `bm25 over ${wanted.length} word(s), any of them`, vector: said }, results };
}

async function vectorLeg(
  context: QueryContext,
  text: LegHit[],
  depth: number,
): Promise<{ hits: LegHit[]; said: string }> {
  if (context.spaces.size === 0) return { hits: [], said: "none: the store has no vectors (level none)" };
  const found = text.slice(0, FEEDBACK_HITS).map(({ seq }) => spaceWith(context, seq));
  const first = found.find((one) => one !== undefined);
  if (!first) return { hits: [], said: "none: no text hit with a vector to look around" };
  const centre = await meanVector(first.index, text.slice(0, FEEDBACK_HITS));
  if (!centre) return { hits: [], said: "none: no text hit with a vector to look around" };
  const near = await first.index.nearest(centre, depth, context.size);
  const { state } = first.index.status();
  const how = `${first.space}, around the best ${Math.min(FEEDBACK_HITS, text.length)} text hits`;
  return {
    hits: near.map(({ seq, cosine }) => ({ seq, score: cosine })),
    said: state === "ready" ? how : `${how} (index ${state})`,
  };
}

async function meanVector(index: VectorIndex, hits: readonly LegHit[]): Promise<Float32Array | undefined> {
  let mean: Float32Array | undefined;
  for (const [i, { seq }] of hits.entries()) {
    const vector = await index.vectorOf(seq);
    if (!vector) continue;
    mean ??= new Float32Array(vector.length);
    for (let d = 0; d < vector.length; d += 1) mean[d] = (mean[d] as number) + (vector[d] as number) / (i + 1);
  }
  return mean;
}

function resultOf(context: QueryContext, { seq, score, text, vector }: FusedHit): SearchAnswer["results"][number] {
  const summary = summarise(rowOfSeq(context, seq));
  return { ...summary, score, ...(text ? { text } : {}), ...(vector ? { vector } : {}) };
}
