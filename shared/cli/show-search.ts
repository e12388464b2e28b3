// Shows what a search found: a table with each answer's place in both legs, how often it came when repeats are folded, what
// its score is the sum of when that is asked for, and below it what the legs did.

import { wholeSeconds } from "../format/timestamp.js";
import type { Envelope } from "../query/engine.js";
import type { SearchAnswer, SearchResult } from "../query/query-search.js";
import { EVENT_COLUMNS, print, showFooter } from "./show-answer.js";
import { type Column, formatTable, terminalWidth } from "./table.js";
import { visible } from "./visible.js";

export type SearchShown = Envelope & SearchAnswer;

export function showSearch(answer: SearchShown): void {
  const { results, legs, explain, grouped } = answer;
  if (results.length === 0) print("nothing found");
  else print(formatTable(results, columnsFor(answer), terminalWidth()));
  const isPartly = results.some(({ repeats }) => repeats?.of === "looked_at");
  if (grouped && !grouped.all && isPartly) print(`repeats are counted among the best ${grouped.looked_at} events`);
  if (explain) {
    print(`words    ${visible(legs.text)}`);
    if (explain.meaning !== "") print(`meaning  ${visible(explain.meaning)}`);
    print(`order    ${visible(explain.order)}`);
  }
  print(`vectors  ${visible(legs.vector)}`);
  showFooter(answer);
}

function columnsFor({ results, explain }: SearchShown): Column<SearchResult>[] {
  const isFolded = results.some(({ repeats }) => repeats && repeats.count > 1);
  const column = (title: string) => EVENT_COLUMNS.filter((one) => one.title === title) as Column<SearchResult>[];
  const when = isFolded ? REPEATS : column("TIME");
  const what = [...column("ELEMENT"), ...column("ACTION"), SAYS];
  return [...column("SEQ"), ...when, ...LEGS, ...(explain ? [SCORE] : []), ...what];
}

const REPEATS: Column<SearchResult>[] = [
  { title: "COUNT", value: ({ repeats }) => String(repeats?.count ?? 1), right: true },
  { title: "FIRST", value: ({ repeats, timestamp }) => wholeSeconds(repeats?.first ?? timestamp) },
  { title: "LAST", value: ({ repeats, timestamp }) => wholeSeconds(repeats?.last ?? timestamp) },
];

const SAYS: Column<SearchResult> = {
  title: "SAYS",
  value: ({ excerpt, broken }) => (broken ? "(cannot be verified)" : (excerpt ?? "-")),
  shrink: true,
};

const LEGS: Column<SearchResult>[] = [
  { title: "TEXT", value: ({ text }) => formatLeg(text), right: true },
  { title: "VECTOR", value: ({ vector }) => formatLeg(vector), right: true },
];

const SCORE: Column<SearchResult> = { title: "SCORE", value: formatParts };

/** `#rank score`, or a dash when the leg did not find it. */
function formatLeg(place: SearchResult["text"]): string {
  return place ? `#${place.rank} ${place.score.toFixed(2)}` : "-";
}

function formatParts({ score, parts }: SearchResult): string {
  const sum = Object.entries(parts ?? {}).filter(([, value]) => value !== 0);
  return `${score.toFixed(4)} = ${sum.map(([name, value]) => `${value.toFixed(4)} ${name}`).join(" + ")}`;
}
