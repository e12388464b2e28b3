// `search`: plain words. Reads the question, has it ranked as deep as the answer needs, and folds repeats where that is asked
// for. What each leg did, and what could not be done here, stands in the answer: nothing is left out silently.
import type { LegPlace } from "./fuse.js";
import { type EventSummary, type QueryContext, rowOfSeq, summarise } from "./query-context.js";
import { badParameter } from "./query-error.js";
import { countAll } from "./search/count-repeats.js";
import { type Folded, RepeatFolder, type Repeats } from "./search/fold-repeats.js";
import {
  type Inquiry,
  inquire,
  type RankedHit,
  type Ranking,
  type SearchMode,
  type VectorPlace,
} from "./search/inquire.js";
import { type Excerpt, excerptOf } from "./search/make-excerpt.js";
import { rankByModel } from "./search/rank-by-model.js";
import { rankByWords } from "./search/rank-by-words.js";
import { readQuestion } from "./search/read-question.js";

export interface SearchQuery {
  words: string;
  limit: number;
  /** By default `hybrid`. */
  mode?: SearchMode;
  /** Folds events that say the same into one answer. */
  group?: boolean;
  /** Says how each score came about. */
  explain?: boolean;
}

export interface SearchResult extends EventSummary, Excerpt {
  score: number;
  text?: LegPlace;
  /** `space` where the question had a vector of its own. */
  vector?: VectorPlace;
  /** With `explain`: what the score is the sum of. */
  parts?: RankedHit["parts"];
  /** With `group`: what the answer stands for. */
  repeats?: Repeats;
}

export interface SearchAnswer {
  legs: Ranking["legs"];
  /** With `explain`. */
  explain?: { words: readonly string[]; names: readonly string[]; meaning: string; order: string };
  /** With `group`: how many events were compared, and whether those were all that the question finds. */
  grouped?: { looked_at: number; all: boolean };
  results: SearchResult[];
}

/** Hits taken from each leg, unless more are asked for. */
const LEG_DEPTH = 100;
/** Where a search for answers that differ goes no deeper. */
const MOST_DEPTH = 1600;
/** Of events that the vectors cannot tell apart, when repeats are folded: enough to choose the one that stands for them. */
const PER_COSINE = 4;

/** @throws QueryError `bad-parameter` when `words` holds no letter and no digit */
export async function querySearch(context: QueryContext, query: SearchQuery): Promise<SearchAnswer> {
  const { words, limit, mode = "hybrid", group = false, explain = false } = query;
  const question = readQuestion(words);
  if (question.words.length === 0) throw badParameter("q", words, "give at least one word, such as `wifi` or `eth0`");
  const inquiry = await inquire(context, question, mode);
  const depth = Math.max(LEG_DEPTH, limit);
  const { ranking, folded } = group
    ? await rankUntilFilled(context, inquiry, limit, depth)
    : { ranking: await rank(context, inquiry, depth, Number.POSITIVE_INFINITY), folded: undefined };
  const answers: (Partial<Folded> & { hit: RankedHit })[] = folded ?? ranking.hits.map((hit) => ({ hit }));
  return {
    legs: ranking.legs,
    ...(explain ? { explain: explained(inquiry, ranking) } : {}),
    ...(folded ? { grouped: { looked_at: ranking.hits.length, all: ranking.exhausted } } : {}),
    results: answers.slice(0, limit).map(({ hit, repeats }) => resultOf(context, hit, explain, repeats)),
  };
}

function rank(context: QueryContext, inquiry: Inquiry, depth: number, perCosine: number): Promise<Ranking> {
  return inquiry.asked.spaces.length > 0
    ? rankByModel(context, inquiry, depth, perCosine)
    : rankByWords(context, inquiry, depth);
}

/** Looks deeper until there are `limit` answers that differ, there is no more, or it has looked deep enough. */
async function rankUntilFilled(
  context: QueryContext,
  inquiry: Inquiry,
  limit: number,
  leastDepth: number,
): Promise<{ ranking: Ranking; folded: Folded[] }> {
  const folder = new RepeatFolder(context);
  for (let depth = leastDepth; ; depth = Math.min(MOST_DEPTH, depth * 4)) {
    const ranking = await rank(context, inquiry, depth, PER_COSINE);
    const folded = await folder.fold(ranking.hits);
    if (folded.length < limit && !ranking.exhausted && depth < MOST_DEPTH) continue;
    return { ranking, folded: await countAll(context, inquiry, folded.slice(0, limit)) };
  }
}

function explained({ question, names, meaning }: Inquiry, { order }: Ranking): Required<SearchAnswer>["explain"] {
  return { words: question.words, names: names.known, meaning, order };
}

function resultOf(
  context: QueryContext,
  { seq, score, text, vector, parts }: RankedHit,
  explain: boolean,
  repeats: Repeats | undefined,
): SearchResult {
  return {
    ...summarise(rowOfSeq(context, seq)),
    score,
    ...excerptOf(context, seq),
    ...(text ? { text } : {}),
    ...(vector ? { vector } : {}),
    ...(explain ? { parts } : {}),
    ...(repeats ? { repeats } : {}),
  };
}
