// What an event changed: its state against the one before it in its element's chain, without what a watching source
// keeps beside the state (a diff, the time that it did not see).
import type { JsonValue } from "../format/canonical-json.js";
import { isWatchingSource } from "../format/watching-source.js";
import { compareStates, type FieldChange } from "./compare-states.js";
import { stateOf, type VerifiedEvent } from "./verify-event.js";

/** `previous` is undefined for an element's first event. */
export function changesOf(previous: VerifiedEvent | undefined, event: VerifiedEvent): FieldChange[] {
  return compareStates(previous && elementStateOf(previous), elementStateOf(event));
}

function elementStateOf(event: VerifiedEvent): JsonValue {
  const state = stateOf(event);
  if (!isWatchingSource(event.entry.source) || typeof state !== "object" || state === null) return state;
  if (Array.isArray(state)) return state;
  const { change: _, ...rest } = state;
  return rest;
}
