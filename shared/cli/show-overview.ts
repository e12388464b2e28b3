// Shows the answers about a whole store: `anomalies` and `stats`.
import type { AnomaliesAnswer } from "../query/query-anomalies.js";
import type { StatsAnswer, StoreStats } from "../query/query-stats.js";
import type { Frequent } from "../query/tallies.js";
import { type Answer, print, showFooter, showTable } from "./show-answer.js";
import { type Column, formatTable, terminalWidth } from "./table.js";
import { visible } from "./visible.js";

export type AnomaliesShown = Answer<AnomaliesAnswer["results"][number]> & AnomaliesAnswer;
export type StatsShown = Answer<StoreStats> & StatsAnswer;

const ANOMALY_COLUMNS: Column<AnomaliesShown["results"][number]>[] = [
  { title: "BITS", value: ({ score }) => score.toFixed(1), right: true },
  { title: "KIND", value: ({ kind }) => kind },
  { title: "EVENTS", value: ({ count }) => String(count), right: true },
  { title: "WHY", value: ({ reason }) => reason, shrink: true },
  { title: "SUCH AS", value: ({ seqs }) => seqs.join(" ") },
];

/** The window and what it was held against first: an empty list means nothing without them. */
export function showAnomalies(answer: AnomaliesShown): void {
  const { from, to, window_events, history_events, history_from, note, found, results } = answer;
  const since = history_from === null ? "" : ` since ${history_from}`;
  print(`${window_events} events from ${from} to ${to}, against ${history_events} before${since}`);
  if (note !== undefined) print(`note: ${visible(note)}`);
  if (found > results.length) print(`the ${results.length} most unlikely of ${found}; --limit shows more`);
  showTable(answer, ANOMALY_COLUMNS);
}

export function showStats(answer: StatsShown): void {
  const { store, origin, root, results } = answer;
  for (const stats of results) {
    print(`store     ${visible(origin)}  ${store}`);
    print(`root      ${root}`);
    print(`events    ${stats.events}, of ${stats.elements} elements`);
    print(`times     ${stats.first ?? "-"} to ${stats.last ?? "-"}`);
    for (const { space, rows, questions } of stats.spaces) {
      print(`vectors   ${rows} in ${visible(space)}; questions ${visible(questions.how)}`);
    }
    for (const kind of ["types", "actions", "actors", "priorities", "sources"] as const) showNames(kind, stats[kind]);
    print("");
  }
  showFooter(answer);
}

function showNames(kind: string, { names, most }: Frequent): void {
  if (most.length === 0) return;
  const title = kind.toUpperCase() + (names > most.length ? ` (${most.length} OF ${names})` : "");
  const columns: Column<Frequent["most"][number]>[] = [
    { title: "EVENTS", value: ({ count }) => String(count), right: true },
    { title, value: ({ name }) => name, shrink: true },
  ];
  print("");
  print(formatTable(most, columns, terminalWidth()));
}
