// A line of what an event says, for people who look through answers: what somebody wrote to be read, else its reason, else
// the state itself. Verified as it is read, like everything that is answered of an event's details.
import type { JsonValue } from "../../format/canonical-json.js";
import { type QueryContext, rowOfSeq } from "../query-context.js";
import { QueryError } from "../query-error.js";
import { stateOf, verifyEvent } from "../verify-event.js";

const MOST_CHARS = 240;
/**
 * Members that hold what somebody wrote, the most telling first. Not the list of what is embedded (describe-state.ts): that one
 * is frozen with the text's version, has no order, and takes in names, such as `details`, that say little in one line.
 */
const MESSAGES = ["message", "msg", "MESSAGE", "error", "summary", "description", "text"];

/** What an answer quotes of its event. */
export interface Excerpt {
  /** Left out where the event says nothing more than who, what and when. */
  excerpt?: string;
  /** It cannot be verified, and nothing is quoted of it: `chain` says where its chain is broken. */
  broken?: true;
}

export function excerptOf(context: QueryContext, seq: number): Excerpt {
  try {
    const event = verifyEvent(context.layer, rowOfSeq(context, seq));
    const excerpt = makeExcerpt(stateOf(event), event.payload.reason);
    return excerpt === "" ? {} : { excerpt };
  } catch (error) {
    if (error instanceof QueryError && error.code === "broken-chain") return { broken: true };
    throw error;
  }
}

/** At most 240 characters, on one line; empty where there is nothing to quote. */
export function makeExcerpt(state: JsonValue, reason: unknown): string {
  const line = oneLine(messageIn(state) ?? (saysSomething(reason) ? reason : plainly(state)));
  return line.length <= MOST_CHARS ? line : `${line.slice(0, MOST_CHARS - 1).toWellFormed()}…`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function saysSomething(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function messageIn(state: JsonValue): string | undefined {
  if (typeof state !== "object" || state === null || Array.isArray(state)) return undefined;
  return MESSAGES.map((name) => state[name]).find(saysSomething);
}

/** `name: value, …`, with what is nested as JSON. */
function plainly(state: JsonValue): string {
  if (state === null) return "";
  if (typeof state !== "object" || Array.isArray(state)) return shown(state);
  return Object.entries(state)
    .map(([name, value]) => `${name}: ${shown(value)}`)
    .join(", ");
}

function shown(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
