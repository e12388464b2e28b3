// Ranks where a model's vectors answer the question: the best of each leg and what holds the question's names, each with
// its cosine and its BM25, whichever leg it was that found it; then weigh-hits.ts.
import type { QueryContext } from "../query-context.js";
import { sharesOf } from "./hold-names.js";
import { type Inquiry, namesOf, type Ranking, textLegOf } from "./inquire.js";
import { type Found, NAMES_WEIGHT, WORDS_WEIGHT, weighHits } from "./weigh-hits.js";

/** Newest events that hold one of the question's names, whatever else they say. */
const NEWEST_NAMED = 256;
/** BM25's k1 + 1 in FTS5: what a word counts, times how rare it is, in a text that says nothing else. */
const BM25_CEILING = 2.2;
/** Distinct words of a question whose rarity is looked up. */
const MOST_RARE = 64;

/** `depth` hits of each leg; of events that the vectors cannot tell apart `perCosine` at most. */
export async function rankByModel(
  context: QueryContext,
  inquiry: Inquiry,
  depth: number,
  perCosine: number,
): Promise<Ranking> {
  const found = new Map<number, Found>();
  const nearAll = await addNearest(found, context, inquiry, depth, perCosine);
  let textAll = true;
  if (inquiry.mode === "hybrid") {
    textAll = addText(found, context, inquiry, depth);
    await addCosines(found, inquiry);
    addBm25(found, context, inquiry);
  }
  const all = [...found.values()];
  const hits = weighHits(all, all.some(({ cosine }) => cosine === undefined) ? perfectBm25(context, inquiry) : 1);
  return { hits, exhausted: nearAll && textAll, legs: legsOf(inquiry), order: orderOf(inquiry) };
}

/** Returns whether there is nothing more. An event of several spaces counts in the best of them. */
async function addNearest(
  found: Map<number, Found>,
  { size }: QueryContext,
  { asked }: Inquiry,
  depth: number,
  perCosine: number,
): Promise<boolean> {
  let all = true;
  for (const { name, index, vector } of asked.spaces) {
    const near = await index.nearest(vector, depth, size, perCosine);
    all &&= near.length < depth;
    for (const [i, { seq, cosine }] of near.entries()) {
      const one = at(found, seq);
      one.vector ??= { rank: i + 1, score: cosine, space: name };
      one.cosine ??= cosine;
    }
  }
  return all;
}

function addText(found: Map<number, Found>, context: QueryContext, inquiry: Inquiry, depth: number): boolean {
  const { layer, size } = context;
  const { question, names } = inquiry;
  const text = layer.text(question.words, depth, size);
  for (const [i, { seq, score }] of text.entries()) at(found, seq).text = { rank: i + 1, score };
  if (names.known.length > 0) {
    const holding = { holding: names.known };
    for (const { seq } of layer.text(question.words, depth, size, holding)) at(found, seq);
    for (const seq of layer.holding(names.known, NEWEST_NAMED, size)) at(found, seq);
    for (const [seq, share] of sharesOf(context, names.known, [...found.keys()])) at(found, seq).named = share;
  }
  return text.length < depth;
}

/** Cosines of what words found. The best space that has the event is asked. */
async function addCosines(found: Map<number, Found>, { asked }: Inquiry): Promise<void> {
  for (const { index, vector } of asked.spaces) {
    const without = [...found.values()].filter(({ cosine }) => cosine === undefined).map(({ seq }) => seq);
    for (const [seq, cosine] of await index.cosinesOf(vector, without)) at(found, seq).cosine = cosine;
  }
}

/** BM25 of what vectors found. */
function addBm25(found: Map<number, Found>, { layer, size }: QueryContext, { question }: Inquiry): void {
  const among = [...found.keys()];
  for (const { seq, score } of layer.text(question.words, among.length, size, { among })) at(found, seq).bm25 = score;
}

/** FTS5's bm25() of a text that is the question and nothing else, were it among the events. */
function perfectBm25({ layer, size }: QueryContext, { question }: Inquiry): number {
  const words = [...new Set(question.words)].slice(0, MOST_RARE);
  const rarities = words.map((word) => {
    const holders = layer.countHolding(word, size);
    return Math.max(1e-6, Math.log((size - holders + 0.5) / (holders + 0.5)));
  });
  return BM25_CEILING * rarities.reduce((sum, rarity) => sum + rarity, 0);
}

function at(found: Map<number, Found>, seq: number): Found {
  const known = found.get(seq) ?? { seq, bm25: 0, named: 0 };
  found.set(seq, known);
  return known;
}

function legsOf(inquiry: Inquiry): Ranking["legs"] {
  const asked = inquiry.asked.spaces.map(({ name, index }) => {
    const { state } = index.status();
    return `${name}, the question's own vector${state === "ready" ? "" : ` (index ${state})`}`;
  });
  return { text: textLegOf(inquiry), vector: [...asked, ...inquiry.asked.unable].join("; ") };
}

function orderOf(inquiry: Inquiry): string {
  if (inquiry.mode === "semantic") return "cosine alone: mode semantic";
  const formula = `cosine + ${WORDS_WEIGHT} × words${inquiry.names.known.length > 0 ? ` + ${NAMES_WEIGHT} × names` : ""}`;
  const why = "a question of meaning: words decide between events that the vectors cannot tell apart";
  return [formula, why, namesOf(inquiry)].filter((part) => part !== "").join("; ");
}
