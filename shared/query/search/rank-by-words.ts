// Ranks where no model can be asked: words lead (fuse.ts), and the vectors around what they found reorder it. The query of
// the vector leg is the mean of the best text hits' vectors, the better hits counting for more; without text hits there is
// nothing to look around. No model is needed for that, whatever made the vectors.
import { type FusedHit, fuse, type LegHit, RANK_OFFSET, vectorWeight } from "../fuse.js";
import type { QueryContext } from "../query-context.js";
import { spaceWith } from "../query-similar.js";
import type { VectorIndex } from "../vector-index.js";
import { sharesOf } from "./hold-names.js";
import { type Inquiry, namesOf, type RankedHit, type Ranking, textLegOf } from "./inquire.js";
import { NAMES_WEIGHT } from "./weigh-hits.js";

/** Text hits that the vector leg looks around. */
const FEEDBACK_HITS = 5;

/** `depth` hits of each leg. */
export async function rankByWords(context: QueryContext, inquiry: Inquiry, depth: number): Promise<Ranking> {
  const { layer, size } = context;
  const { question, names, mode } = inquiry;
  const text = layer.text(question.words, depth, size);
  const { hits, said } = mode === "text" ? NO_VECTORS : await lookAround(context, text, depth);
  const fused = fuse(mode === "semantic" ? [] : text, hits, depth);
  const deeper = names.known.length > 0 ? layer.text(question.words, depth, size, { holding: names.known }) : [];
  const ranked = [...fused.map((hit) => partsOf(hit, depth)), ...tooDeep(fused, deeper, depth)];
  addNames(context, inquiry, ranked);
  const legs = { text: textLegOf(inquiry), vector: [said, ...inquiry.asked.unable].join("; ") };
  return {
    hits: ranked.sort(byScore),
    exhausted: text.length < depth && hits.length < depth,
    legs,
    order: orderOf(inquiry),
  };
}

const NO_VECTORS = { hits: [] as LegHit[], said: "none: mode text" };

/** The nearest events to what the words found, in every space that has any of it: a store may have begun in another. */
async function lookAround(
  context: QueryContext,
  text: LegHit[],
  depth: number,
): Promise<{ hits: LegHit[]; said: string }> {
  if (context.spaces.size === 0) return { hits: [], said: "none: the store has no vectors (level none)" };
  const legs: LegHit[][] = [];
  const said: string[] = [];
  for (const { space, index, best } of placesAround(context, text)) {
    const centre = await meanVector(index, best);
    if (!centre) continue;
    const near = await index.nearest(centre, depth, context.size);
    legs.push(near.map(({ seq, cosine }) => ({ seq, score: cosine })));
    said.push(describeLeg(space, index, best.length));
  }
  if (legs.length === 0) return { hits: [], said: "none: no text hit with a vector to look around" };
  return { hits: takeInTurn(legs).slice(0, depth), said: said.join("; ") };
}

interface Place {
  space: string;
  index: VectorIndex;
  /** The best text hits whose vectors are here. */
  best: LegHit[];
}

function placesAround(context: QueryContext, text: readonly LegHit[]): Place[] {
  const homes = text.map(({ seq }) => spaceWith(context, seq));
  const found = new Map(homes.flatMap((home) => (home ? [[home.space, home.index]] : [])));
  return [...found].map(([space, index]) => {
    const here = text.filter((_, i) => homes[i]?.space === space);
    return { space, index, best: here.slice(0, FEEDBACK_HITS) };
  });
}

function describeLeg(space: string, index: VectorIndex, around: number): string {
  const { state } = index.status();
  const how = `${space}, around the best ${around} text hits`;
  return state === "ready" ? how : `${how} (index ${state})`;
}

/** Cosines of two spaces say nothing of each other, ranks do. An event that is in both stands where it is found first. */
function takeInTurn(legs: readonly (readonly LegHit[])[]): LegHit[] {
  const longest = Math.max(...legs.map(({ length }) => length));
  const ranks = Array.from({ length: longest }, (_, rank) => legs.flatMap((leg) => leg[rank] ?? []));
  const bySeq = new Map<number, LegHit>();
  for (const hit of ranks.flat()) if (!bySeq.has(hit.seq)) bySeq.set(hit.seq, hit);
  return [...bySeq.values()];
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

function partsOf(hit: FusedHit, depth: number): RankedHit {
  const { text, vector } = hit;
  const parts = {
    vector: vector ? vectorWeight(depth) / (RANK_OFFSET + vector.rank) : 0,
    words: text ? 1 / (RANK_OFFSET + text.rank) : 0,
    names: 0,
  };
  return { ...hit, parts };
}

/** Events that hold a name and stand too deep in the text leg to have been found there. */
function tooDeep(fused: readonly FusedHit[], named: readonly LegHit[], depth: number): RankedHit[] {
  const known = new Set(fused.map(({ seq }) => seq));
  return named
    .filter(({ seq }) => !known.has(seq))
    .map(({ seq }, i) => {
      const words = 1 / (RANK_OFFSET + depth + i + 1);
      return { seq, score: words, parts: { vector: 0, words, names: 0 } };
    });
}

function addNames(context: QueryContext, { names }: Inquiry, hits: readonly RankedHit[]): void {
  const shares = sharesOf(
    context,
    names.known,
    hits.map(({ seq }) => seq),
  );
  for (const hit of hits) {
    hit.parts.names = NAMES_WEIGHT * (shares.get(hit.seq) ?? 0);
    hit.score += hit.parts.names;
  }
}

function byScore(a: RankedHit, b: RankedHit): number {
  return b.score - a.score || b.seq - a.seq;
}

function orderOf(inquiry: Inquiry): string {
  const { mode, question, asked } = inquiry;
  if (mode === "semantic") return "nearness to what the words found: no model was asked";
  if (mode === "text") return ["bm25 alone: mode text", namesOf(inquiry)].filter((part) => part !== "").join("; ");
  const isNames = question.meaning === "";
  const why = isNames
    ? "the question is names only, which are for words"
    : asked.unable.length > 0
      ? "no model could be asked"
      : "the vectors here have no model that a question could be put to";
  return [`rank by words, reordered by nearness to the best of them: ${why}`, namesOf(inquiry)]
    .filter((part) => part !== "")
    .join("; ");
}
