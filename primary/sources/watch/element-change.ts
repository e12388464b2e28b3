// The words of sources that watch elements: what an element is like, and what happened to it.
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import type { Priority } from "../../../shared/format/entry.js";

export type JsonObject = { [key: string]: JsonValue };

/** An element as it is now. */
export interface ElementState {
  elementId: string;
  elementType: string;
  /** All that is recorded of it; `{}` when it is gone. Compared as a whole, so nothing in it may change by itself. */
  state: JsonObject;
}

/** An element that a snapshot found, with what belongs to the event if it differs from what is known. */
export interface FoundElement extends ElementState {
  change?: JsonObject | undefined;
}

export interface ElementChange extends ElementState {
  action: string;
  actor?: string | undefined;
  reason?: string | undefined;
  /** By the action's rules when left out. */
  priority?: Priority | undefined;
  /** ISO 8601; the time of admission by default. */
  timestamp?: string | undefined;
  /**
   * What belongs to the event and not to the element, such as a diff: stored as `state_snapshot.change`, and left out
   * when states are compared.
   */
  change?: JsonObject | undefined;
}

/** A stretch of time that a source could not see, in stored form. */
export interface Unseen {
  from: string;
  to: string;
}

/** Names the difference between two states of one element, either of which may be `{}` (not there). */
export type NameChange = (before: JsonObject, after: JsonObject, elementType: string) => string;

/** The action of an element that the ledger has never heard of: how long it has been there is not known. */
export const OBSERVED = "observed";
