// Shows the answers of the query commands: tables for people with a line below that says what they speak for, or JSON
// lines for programs with that in the last line.
import type { Envelope } from "../query/engine.js";
import type { ChainEvent } from "../query/query-chain.js";
import type { EventSummary, FullEvent } from "../query/query-context.js";
import type { ElementSummary } from "../query/query-elements.js";
import { type Column, formatTable, terminalWidth } from "./table.js";
import { visible } from "./visible.js";

export type Answer<Result> = Envelope & { results: Result[]; cursor?: string };

/** JSON lines: one result a line, then everything else that the answer says. */
export function showJson(answer: Answer<unknown>): void {
  const { results, ...rest } = answer;
  for (const result of results) print(JSON.stringify(result));
  print(JSON.stringify(rest));
}

export function showTable<Row>(answer: Answer<Row>, columns: readonly Column<Row>[]): void {
  if (answer.results.length === 0) print("nothing found");
  else print(formatTable(answer.results, columns, terminalWidth()));
  showFooter(answer);
}

/** Fields of events one a line, what they changed, and the state in full. */
export function showEvents(answer: Answer<FullEvent & { changes?: ChainEvent["changes"] }>): void {
  for (const { state_snapshot, changes = [], ...fields } of answer.results) {
    const names = Object.keys(fields).sort();
    const width = Math.max(...names.map((name) => visible(name).length));
    for (const name of names) {
      print(`${visible(name).padEnd(width)}  ${plain((fields as Record<string, unknown>)[name])}`);
    }
    for (const change of changes) print(`${"changed".padEnd(width)}  ${formatChange(change)}`);
    print("state_snapshot");
    for (const line of JSON.stringify(state_snapshot, null, 2).split("\n")) print(`  ${visible(line)}`);
  }
  showFooter(answer);
}

export function showFooter({ generation, seq, behind, cursor }: Answer<unknown>): void {
  if (cursor !== undefined) print(`more: --cursor ${visible(cursor)}`);
  const upTo = seq === null ? "no event yet" : `up to event ${seq}`;
  print(`generation ${generation}, ${upTo}, ${formatBehind(behind)}`);
}

function formatBehind({ known, entries, seconds_since_primary_heard }: Envelope["behind"]): string {
  if (!known) return "the primary has not been heard yet";
  return `${entries} behind the primary (heard ${Math.round(seconds_since_primary_heard ?? 0)} s ago)`;
}

export const EVENT_COLUMNS: Column<EventSummary>[] = [
  { title: "SEQ", value: ({ seq }) => String(seq), right: true },
  { title: "TIME", value: ({ timestamp }) => timestamp },
  { title: "ELEMENT", value: ({ element_id }) => element_id, shrink: true },
  { title: "TYPE", value: ({ element_type }) => element_type, shrink: true },
  { title: "ACTION", value: ({ action }) => action, shrink: true },
  { title: "ACTOR", value: ({ actor }) => actor, shrink: true },
];

export const CHAIN_COLUMNS: Column<ChainEvent>[] = [
  { title: "HEIGHT", value: ({ height }) => String(height), right: true },
  { title: "SEQ", value: ({ seq }) => String(seq), right: true },
  { title: "TIME", value: ({ timestamp }) => timestamp },
  { title: "ACTION", value: ({ action }) => action, shrink: true },
  { title: "ACTOR", value: ({ actor }) => actor, shrink: true },
  { title: "HASH", value: ({ hash }) => hash.slice(0, 12) },
  { title: "CHANGES", value: ({ changes }) => changes.map(formatChange).join(", "), shrink: true },
];

const ELEMENT_COLUMNS: Column<ElementSummary>[] = [
  { title: "ELEMENT", value: ({ element_id }) => element_id, shrink: true },
  { title: "TYPE", value: ({ element_type }) => element_type, shrink: true },
  { title: "ACTION", value: ({ action }) => action, shrink: true },
  { title: "TIME", value: ({ timestamp }) => timestamp },
  { title: "HEIGHT", value: ({ height }) => String(height), right: true },
  { title: "SEQ", value: ({ seq }) => String(seq), right: true },
  { title: "SOURCE", value: ({ source }) => source, shrink: true },
];

const STATE_COLUMN: Column<ElementSummary> = {
  title: "STATE",
  value: ({ state_snapshot }) => JSON.stringify(state_snapshot),
  shrink: true,
};

/** With a column of states where the answer has them. */
export function showElements(answer: Answer<ElementSummary>): void {
  const states = answer.results.some((element) => "state_snapshot" in element);
  showTable(answer, states ? [...ELEMENT_COLUMNS, STATE_COLUMN] : ELEMENT_COLUMNS);
}

export const SIMILAR_COLUMNS: Column<EventSummary & { cosine: number }>[] = [
  { title: "COSINE", value: ({ cosine }) => cosine.toFixed(4), right: true },
  ...EVENT_COLUMNS,
];

function formatChange(change: ChainEvent["changes"][number]): string {
  const field = visible(change.field || "(state)");
  if (!("old" in change)) return `${field}=${plain(change.new)}`;
  if (!("new" in change)) return `-${field}`;
  return `${field}: ${plain(change.old)} → ${plain(change.new)}`;
}

function plain(value: unknown): string {
  return visible(typeof value === "string" ? value : JSON.stringify(value));
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
