// The table of event sources in `status`: one row a source, each watched service of the bus being one.
import { type Column, formatTable } from "../../shared/cli/table.js";
import { wholeSeconds } from "../../shared/format/timestamp.js";
import type { SourceState } from "../sources/source.js";
import { conditionOf, droppedOf, type SourceRow, sourceRows } from "../sources/source-rows.js";

const COLUMNS: Column<SourceRow>[] = [
  { title: "SOURCE", value: ({ source }) => source },
  { title: "STATE", value: ({ state }) => shownCondition(state) },
  { title: "WRITTEN", value: ({ state }) => String(state.written ?? 0), right: true },
  { title: "DROPPED", value: ({ state }) => String(droppedOf(state)), right: true },
  { title: "GAPS", value: ({ state }) => String(state.gaps ?? "-"), right: true },
  { title: "SEEN UNTIL", value: ({ state }) => wholeSeconds(String(state.seen_until ?? "-")) },
  { title: "WHY", value: ({ state }) => whyOf(state), shrink: true },
];

export function formatSources(sources: Readonly<Record<string, SourceState>>, width?: number): string {
  return formatTable(sourceRows(sources), COLUMNS, width);
}

function shownCondition(state: SourceState): string {
  const condition = conditionOf(state);
  return condition === "open" ? `open, ${state.connections} connected` : condition;
}

function whyOf({
  problem,
  present,
  name,
  waiting_for_socket: noSocket,
  waiting_for_file: noFile,
  ...rest
}: SourceState): string {
  if (typeof problem === "string") return problem;
  if (present === false && rest.watching !== true) return `${name} is not on the bus`;
  if (noSocket === true) return `${rest.socket} is not there`;
  return noFile === true ? `${rest.file} is not there` : "";
}
