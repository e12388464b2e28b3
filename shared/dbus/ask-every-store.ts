// Questions of callers that know of no stores: where there is one store they get its answer as it is, where there are
// several one answer made of all, in which each result says its origin.
import type { JsonValue } from "../format/canonical-json.js";
import type { AskQuery, Parameters } from "./ask-queries.js";

export interface EveryStoreQuestion {
  endpoint: string;
  parameters?: Parameters;
  limit?: string | undefined;
  /** The number by which results of several stores are put in order, largest first. */
  best?: "score" | "cosine";
}

type Json = { [field: string]: JsonValue };

/** @throws what the query process refused; with several stores, only where every one of them refused */
export async function askEveryStore(ask: AskQuery, question: EveryStoreQuestion, signal: AbortSignal): Promise<string> {
  const { endpoint, limit, best } = question;
  const parameters = { ...question.parameters, limit };
  const stores = await listStores(ask, signal);
  if (stores.length < 2) return ask(endpoint, parameters, signal);
  const asked = stores.map((store) => ask(endpoint, { ...parameters, store }, signal));
  const outcomes = await Promise.allSettled(asked);
  const answers = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [parse(outcome.value)] : []));
  // An element is of one store; the others do not know it.
  if (answers.length === 0) throw (outcomes[0] as PromiseRejectedResult).reason;
  return JSON.stringify(mergeAnswers(answers, best, limit));
}

/** UUIDs of the stores that the query process knows. */
export async function listStores(ask: AskQuery, signal: AbortSignal): Promise<string[]> {
  const { stores } = parse(await ask("status", {}, signal)) as { stores: { store: string }[] };
  return stores.map(({ store }) => store);
}

function mergeAnswers(answers: readonly Json[], best: string | undefined, limit: string | undefined): Json {
  const results = answers.flatMap(({ results, origin }) =>
    ((results ?? []) as Json[]).map((result) => ({ ...result, origin: origin as string })),
  );
  const rank = (result: Json) => Number(result[best ?? ""] ?? 0);
  if (best) results.sort((a, b) => rank(b) - rank(a));
  const stores = answers.map(({ results: _, ...about }) => about);
  return { results: limit === undefined ? results : results.slice(0, Number(limit)), stores };
}

function parse(text: string): Json {
  return JSON.parse(text) as Json;
}
