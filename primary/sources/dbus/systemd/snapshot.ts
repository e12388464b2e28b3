// The present of all recorded units, from systemd's two lists and what the ledger last knew. What it must never do: make an
// event of a unit that was merely loaded or unloaded.
import { isDeepStrictEqual } from "node:util";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { BusPeer } from "../bus-service.js";
import { type LoadedUnit, listUnitFiles, listUnits, readResult } from "./read-units.js";
import { type Activity, activityOf, settle, UNIT_TYPE, type UnitFacts, unitState } from "./unit-state.js";

export interface UnitsSnapshot {
  present: ElementState[];
  /** Of all units in the lists. */
  facts: Map<string, UnitFacts>;
  /** Where each loaded unit stands. */
  seen: Map<string, Activity>;
}

export async function takeSnapshot(
  peer: BusPeer,
  globs: readonly string[],
  isRecorded: (name: string) => boolean,
): Promise<UnitsSnapshot> {
  // In this order: what happens between the two comes as signals afterwards.
  const units = await listUnits(peer, globs);
  const files = await listUnitFiles(peer, globs);
  const loaded = new Map(units.filter(({ followed }) => followed === "").map((unit) => [unit.name, unit]));
  const snapshot: UnitsSnapshot = { present: [], facts: new Map(), seen: new Map() };
  for (const name of new Set([...loaded.keys(), ...files.keys()])) {
    if (isRecorded(name)) await addUnit(snapshot, peer, name, loaded.get(name), files.get(name));
  }
  return snapshot;
}

export function elementId(name: string): string {
  return `unit:${name}`;
}

/** What is recorded of a unit; undefined if it is gone or has never been heard of. */
export function recordedState(peer: BusPeer, name: string): JsonObject | undefined {
  const last = peer.writer.last(elementId(name));
  return last && Object.keys(last).length > 0 ? last : undefined;
}

/** A unit without a description has its own name as one. */
export function descriptionOf(unit: LoadedUnit | undefined): string | undefined {
  if (unit?.load !== "loaded" || unit.description === unit.name) return undefined;
  return unit.description;
}

async function addUnit(
  { present, facts: allFacts, seen }: UnitsSnapshot,
  peer: BusPeer,
  name: string,
  unit: LoadedUnit | undefined,
  fileState: string | undefined,
): Promise<void> {
  const recorded = recordedState(peer, name);
  // A unit that is not loaded is as it was, and has no description to show.
  const description = descriptionOf(unit) ?? asText(recorded?.description);
  const facts = { fileState, description, loadProblem: loadProblem(unit, recorded) };
  allFacts.set(name, facts);
  const now = activityOf(name, unit?.active ?? "inactive", unit?.sub ?? "dead");
  if (unit) seen.set(name, now);
  const settled = settle(now, recorded);
  const result = settled.active === "failed" ? await resultOf(peer, unit, recorded) : undefined;
  const state = unlessMerelyLoaded(unitState(name, settled, facts, result), recorded);
  if (Object.keys(state).length > 0) present.push({ elementId: elementId(name), elementType: UNIT_TYPE, state });
}

/** Being loaded for the first time is no change of the unit: its description comes with its next event. */
function unlessMerelyLoaded(state: JsonObject, recorded: JsonObject | undefined): JsonObject {
  const { description: _, ...others } = state;
  return recorded && isDeepStrictEqual(others, recorded) ? recorded : state;
}

/** Asked only of a unit that has failed unseen. */
async function resultOf(
  peer: BusPeer,
  unit: LoadedUnit | undefined,
  recorded: JsonObject | undefined,
): Promise<string | undefined> {
  if (recorded?.active_state === "failed") return asText(recorded.result);
  return unit ? readResult(peer, unit) : undefined;
}

function loadProblem(unit: LoadedUnit | undefined, recorded: JsonObject | undefined): string | undefined {
  if (!unit) return asText(recorded?.load_state);
  // That it is masked its file's state tells.
  return unit.load === "loaded" || unit.load === "masked" ? undefined : unit.load;
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
