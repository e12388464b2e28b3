// The table of event sources in `status`: one row a source, each watched service of the bus being one.
import { type Column, formatTable } from "../../shared/cli/table.js";
import type { SourceState } from "../sources/source.js";

interface Row {
  source: string;
  state: SourceState;
}

const COLUMNS: Column<Row>[] = [
  { title: "SOURCE", value: ({ source }) => source },
  { title: "STATE", value: ({ state }) => stateOf(state) },
  { title: "WRITTEN", value: ({ state }) => String(state.written ?? 0), right: true },
  { title: "DROPPED", value: ({ state }) => String(droppedOf(state)), right: true },
  { title: "GAPS", value: ({ state }) => String(state.gaps ?? "-"), right: true },
  { title: "SEEN UNTIL", value: ({ state }) => String(state.seen_until ?? "-").replace(/\.\d+Z$/, "Z") },
  { title: "WHY", value: ({ state }) => whyOf(state), shrink: true },
];

export function formatSources(sources: Readonly<Record<string, SourceState>>, width?: number): string {
  const rows = Object.entries(sources).flatMap(([source, state]) => rowsOf(source, state));
  return formatTable(rows, COLUMNS, width);
}

/** The bus's own row is there only when something is wrong with it: what it brings stands with its services. */
function rowsOf(source: string, state: SourceState): Row[] {
  if (!isObject(state.services)) return [{ source, state }];
  const services = Object.entries(state.services).filter(([, service]) => isObject(service));
  const rows = services.map(([name, service]) => ({ source: name, state: service as SourceState }));
  return state.problem ? [{ source, state }, ...rows] : rows;
}

function stateOf(state: SourceState): string {
  if (state.watching === true || state.caught_up === true) return "watching";
  if (state.connections !== undefined) return `open, ${state.connections} connected`;
  if (state.present === false || state.waiting_for_socket === true || state.waiting_for_file === true) return "waiting";
  return state.caught_up === false ? "reading" : "blind";
}

function droppedOf({ dropped, refused }: SourceState): number {
  if (!isObject(dropped)) return typeof refused === "number" ? refused : 0;
  return Object.values(dropped).reduce<number>((sum, count) => sum + Number(count), 0);
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
