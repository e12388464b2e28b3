// `stats`: what a store holds, in numbers: events, elements, and the most frequent names of each kind. From counts that
// the catalog keeps, so it costs the same however long the ledger is.
import { formatTimestamp } from "../format/timestamp.js";
import type { TimelineFilter } from "./event-layer.js";
import type { QueryContext } from "./query-context.js";
import { type Askable, tellAskable } from "./search/ask-spaces.js";
import type { Frequent, NameTally } from "./tallies.js";

export interface StoreStats {
  events: number;
  elements: number;
  /** Times of the first and the last event, by `timestamp`; null in an empty store. */
  first: string | null;
  last: string | null;
  types: Frequent;
  actions: Frequent;
  actors: Frequent;
  priorities: Frequent;
  sources: Frequent;
  /** `questions`: whether a search can be put to the space here. */
  spaces: { space: string; rows: number; questions: Askable }[];
}

export interface StatsAnswer {
  /** Root of the checkpoint that the generation is signed with, in base64. */
  root: string;
  /** One. */
  results: StoreStats[];
}

const MOST_NAMES = 50;
const ALWAYS = { fromMicros: Number.MIN_SAFE_INTEGER, toMicros: Number.MAX_SAFE_INTEGER };

export async function queryStats(context: QueryContext): Promise<StatsAnswer> {
  const { layer, size, root } = context;
  const tallies = layer.tallies(size);
  const most = (kind: NameTally) => tallies.frequent(kind, MOST_NAMES);
  const endOf = (filter: TimelineFilter) => {
    const row = layer.timeline(filter, 1, size)[0];
    return row ? formatTimestamp(row.atMicros) : null;
  };
  const stats: StoreStats = {
    events: size,
    elements: layer.elementCount(size),
    first: endOf({ ...ALWAYS, reverse: false }),
    last: endOf({ ...ALWAYS, reverse: true }),
    types: most("type"),
    actions: most("action"),
    actors: most("actor"),
    priorities: most("priority"),
    sources: most("source"),
    spaces: await spacesOf(context),
  };
  return { root: root.toString("base64"), results: [stats] };
}

async function spacesOf({ spaces, questions }: QueryContext): Promise<StoreStats["spaces"]> {
  const all = [...spaces].map(async ([space, index]) => {
    return { space, rows: index.rows, questions: await tellAskable(questions, index.space) };
  });
  return Promise.all(all);
}
