// The last five actions of an element before an event, as the heuristic features need them: six bits of each, the newest
// in the lowest bits, 0 for none. Kept for every event by the primary's index, so that an event's row is the same whoever
// makes it and whenever. A change here is another heuristic space and another version of that index.
import { hashText } from "./hash-words.js";

export type RecentActions = number;

/** Of an element's first event. */
export const NO_ACTIONS: RecentActions = 0;

export const MOST_ACTIONS = 5;
const BITS = 6;
const CODES = 2 ** BITS - 1;
const ALL_BITS = 2 ** (MOST_ACTIONS * BITS) - 1;

/** What the element's next event has before it. */
export function addAction(recent: RecentActions, action: string): RecentActions {
  return ((recent << BITS) | codeOfAction(action)) & ALL_BITS;
}

/** Codes from 1 to 63, the newest action first. */
export function listActions(recent: RecentActions): number[] {
  const codes: number[] = [];
  for (let rest = recent; rest !== 0; rest >>>= BITS) codes.push(rest & CODES);
  return codes;
}

function codeOfAction(action: string): number {
  return 1 + (hashText(action) % CODES);
}
