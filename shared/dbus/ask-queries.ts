// Passes questions from the bus to the query process, over its socket, and the answers back as the text they came as: the
// daemon's loop neither computes nor parses them. Some at a time; the calls that wait are bounded by limit-calls.ts.
import PQueue from "p-queue";
import { AskError, askSocketText, pathWith } from "../cli/ask-socket.js";
import type { Answerer } from "../query/name-answerer.js";
import { CallRefused } from "./call-refused.js";

/** The parameters of a query endpoint, by name. */
export type Parameters = Readonly<Record<string, string | undefined>>;

/** The JSON that the query process answers. Rejects with the query's own code, message and hint, or the signal's reason. */
export type AskQuery = (endpoint: string, parameters: Parameters, signal: AbortSignal) => Promise<string>;

/** A system bus passes on no message of more than 32 MiB, and cuts off who sends one. */
export const MOST_ANSWER_BYTES = 16 * 1024 * 1024;
const AT_A_TIME = 4;

export function createAskQuery(answerer: Answerer): AskQuery {
  const asking = new PQueue({ concurrency: AT_A_TIME });
  return async (endpoint, parameters, signal) => {
    const path = pathWith(`/v1/${endpoint}`, { ...parameters });
    const ask = { ...answerer, path, signal, mostBytes: MOST_ANSWER_BYTES };
    try {
      return await asking.add(() => askSocketText(ask), { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw asRefusal(error);
    }
  };
}

/** A refusal of the query process carries the query's own code, which says more than that it was refused. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof AskError) || !error.problem) return error;
  const { code, detail, hint } = error.problem;
  return Object.assign(new Error(detail, { cause: error }), { code, hint });
}

/**
 * The `a{sv}` of a call as parameters: text, numbers and booleans, by the names that the HTTP endpoints have.
 *
 * @throws CallRefused for any other type, and an error `bad-parameter` for a name that is given already
 */
export function readOptions(options: Record<string, unknown>, given: Parameters = {}): Parameters {
  // Without a prototype: the names come from strangers.
  const parameters: Record<string, string | undefined> = Object.assign(Object.create(null), given);
  for (const [name, value] of Object.entries(options)) {
    if (Object.hasOwn(given, name)) {
      const hint = "leave it out of the options: it is an argument of its own";
      throw Object.assign(new Error(`${name} is given twice`), { code: "bad-parameter", hint });
    }
    parameters[name] = textOf(name, value);
  }
  return parameters;
}

function textOf(name: string, option: unknown): string {
  const { value, signature } = option as { value: unknown; signature: string };
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return `${value}`;
  if (typeof value === "number" && Number.isFinite(value)) return `${value}`;
  throw new CallRefused("InvalidArgs", `option ${name} is of type ${signature}: give a string, a number or a boolean`);
}
