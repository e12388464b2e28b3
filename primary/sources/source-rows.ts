// What the states of sources say, source by source, for whoever shows them: one row each, every watched service of the bus
// being one.
import type { SourceState } from "./source.js";

export interface SourceRow {
  source: string;
  state: SourceState;
}

/** `blind`: it should see and does not. `waiting`: what it watches is not there. `reading`: it catches up. `open`: clients bring events. */
export const SOURCE_CONDITIONS = ["watching", "open", "waiting", "reading", "blind"] as const;
export type SourceCondition = (typeof SOURCE_CONDITIONS)[number];

export function sourceRows(sources: Readonly<Record<string, SourceState>>): SourceRow[] {
  return Object.entries(sources).flatMap(([source, state]) => rowsOf(source, state));
}

/** The bus's own row is there only when something is wrong with it: what it brings stands with its services. */
function rowsOf(source: string, state: SourceState): SourceRow[] {
  if (!isObject(state.services)) return [{ source, state }];
  const services = Object.entries(state.services).filter(([, service]) => isObject(service));
  const rows = services.map(([name, service]) => ({ source: name, state: service as SourceState }));
  return state.problem ? [{ source, state }, ...rows] : rows;
}

export function conditionOf(state: SourceState): SourceCondition {
  if (state.watching === true || state.caught_up === true) return "watching";
  if (state.connections !== undefined) return "open";
  if (state.present === false || state.waiting_for_socket === true || state.waiting_for_file === true) return "waiting";
  return state.caught_up === false ? "reading" : "blind";
}

/** Of a source that clients write to, what was refused: they were told so. */
export function droppedOf(state: SourceState): number {
  if (!isObject(state.dropped)) return typeof state.refused === "number" ? state.refused : 0;
  return droppedByReason(state).reduce((sum, [, count]) => sum + count, 0);
}

/** Reasons come from the sources' own code, so there are few. */
export function droppedByReason({ dropped }: SourceState): [reason: string, count: number][] {
  return isObject(dropped) ? Object.entries(dropped).map(([reason, count]) => [reason, Number(count)]) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
