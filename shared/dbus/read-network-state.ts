// The present state of a host's network, assembled from the newest event of each of its elements: the `elements` query with
// states, page by page. What is gone has an empty state, and is left out.
import type { JsonValue } from "../format/canonical-json.js";
import { isWatchingSource } from "../format/watching-source.js";
import { listStores } from "./ask-every-store.js";
import { type AskQuery, MOST_ANSWER_BYTES } from "./ask-queries.js";

export const NETWORK_TYPES = [
  "NetworkInterface",
  "NetworkConnection",
  "NetworkState",
  "OvsBridge",
  "OvsPort",
  "OvsInterface",
  "FirewallZone",
  "Firewall",
] as const;

/** The most there are in a page; one with large states ends earlier by itself. */
const PAGE = "1000";

interface NetworkElement {
  element_id: string;
  seq: number;
  timestamp: string;
  action: string;
  state: JsonValue;
}

interface ElementRow extends Omit<NetworkElement, "state"> {
  element_type: string;
  source: string;
  state_snapshot: JsonValue;
}

interface ElementsPage {
  results: ElementRow[];
  cursor?: string;
  [about: string]: unknown;
}

/** `{"stores":[{"store","origin","generation","size","seq","behind","network":{"OvsBridge":[…],…}}]}` */
export async function readNetworkState(ask: AskQuery, signal: AbortSignal): Promise<string> {
  const stores: object[] = [];
  for (const store of await listStores(ask, signal)) stores.push(await readStore(ask, store, signal));
  const text = JSON.stringify({ stores });
  if (text.length <= MOST_ANSWER_BYTES) return text;
  const hint = "ask Query.Elements for one type at a time, page by page";
  const message = `the network's state has more than ${MOST_ANSWER_BYTES} bytes`;
  throw Object.assign(new Error(message), { code: "answer-too-large", hint });
}

async function readStore(ask: AskQuery, store: string, signal: AbortSignal): Promise<object> {
  const network: Record<string, NetworkElement[]> = Object.fromEntries(NETWORK_TYPES.map((type) => [type, []]));
  let cursor: string | undefined;
  let about: object = {};
  do {
    const parameters = { store, type: NETWORK_TYPES.join(","), states: "true", limit: PAGE, cursor };
    const {
      results,
      cursor: next,
      ...envelope
    } = JSON.parse(await ask("elements", parameters, signal)) as ElementsPage;
    for (const row of results) if (!isGone(row)) network[row.element_type]?.push(shown(row));
    about = envelope;
    cursor = next;
  } while (cursor !== undefined);
  return { ...about, network };
}

/** Sources write `{}` for an element that is there no more. */
function isGone(row: ElementRow): boolean {
  const state = elementState(row);
  return typeof state === "object" && state !== null && Object.keys(state).length === 0;
}

function shown(row: ElementRow): NetworkElement {
  const { element_id, seq, timestamp, action } = row;
  return { element_id, seq, timestamp, action, state: elementState(row) };
}

/** Without what a watching source keeps beside it. */
function elementState({ source, state_snapshot: state }: ElementRow): JsonValue {
  if (!isWatchingSource(source) || typeof state !== "object" || state === null || Array.isArray(state)) return state;
  const { change: _, ...element } = state;
  return element;
}
