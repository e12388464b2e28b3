// A line of what an event says, for people who look through answers: what somebody wrote to be read, else its reason, else
// the state itself. Verified as it is read, like everything that is answered of an event's details.
import type { JsonValue } from "../../format/canonical-json.js";
import { type QueryContext, rowOfSeq } from "../query-context.js";
import { QueryError } from "../query-error.js";
import { stateOf, verifyEvent } from "../verify-event.js";

const MOST_CHARS = 240;
/** Members that hold what somebody wrote, the most telling first. */
const MESSAGES = ["message", "msg", "MESSAGE", "error", "summary", "description", "text"];

/** `undefined` for an event that cannot be verified: nothing is quoted of it. */
export function excerptOf(context: QueryContext, seq: number): string | undefined {
  try {
    const event = verifyEvent(context.layer, rowOfSeq(context, seq));
    return makeExcerpt(stateOf(event), event.payload.reason);
  } catch (error) {
    if (error instanceof QueryError && error.code === "broken-chain") return undefined;
    throw error;
  }
}

/** At most 240 characters, on one line. */
export function makeExcerpt(state: JsonValue, reason: unknown): string {
  const said = messageIn(state) ?? (typeof reason === "string" && reason !== "" ? reason : plainly(state));
  const line = said.replace(/\s+/g, " ").trim();
  return line.length <= MOST_CHARS ? line : `${line.slice(0, MOST_CHARS - 1).toWellFormed()}…`;
}

function messageIn(state: JsonValue): string | undefined {
  if (typeof state !== "object" || state === null || Array.isArray(state)) return undefined;
  const texts = MESSAGES.map((name) => state[name]);
  return texts.find((text): text is string => typeof text === "string" && text !== "");
}

/** `name: value, …`, with what is nested as JSON. */
function plainly(state: JsonValue): string {
  if (typeof state !== "object" || state === null || Array.isArray(state)) return shown(state);
  return Object.entries(state)
    .map(([name, value]) => `${name}: ${shown(value)}`)
    .join(", ");
}

function shown(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
