// `dev.ovs.PortAgent1`: the questions of an Open vSwitch port agent, under the names its clients know, answered from the
// ledger. Every method gives one JSON string, and has a name in snake_case and one in CamelCase.
import { askEveryStore } from "./ask-every-store.js";
import type { AskQuery } from "./ask-queries.js";
import { readNetworkState } from "./read-network-state.js";
import type { Caller, ServedInterface, ServedMethod, ServedObject } from "./served-object.js";

export const PORT_AGENT_NAME = "dev.ovs.PortAgent1";
export const PORT_AGENT_PATH = "/dev/ovs/PortAgent1";

/** Clients that do not read the introspection send whole numbers of any of these types. */
const WITH_LIMIT = { takes: "su", alsoTakes: ["s", "si", "sx", "st", "sq"] };

export function portAgent(ask: AskQuery): ServedObject {
  return { path: PORT_AGENT_PATH, interfaces: [portAgentInterface(ask)] };
}

function portAgentInterface(ask: AskQuery): ServedInterface {
  const search = textAndLimit((text, limit, { signal }) => {
    return askEveryStore(ask, { endpoint: "search", parameters: { q: text }, limit, best: "score" }, signal);
  });
  const similar = textAndLimit((element, limit, { signal }) => {
    return askEveryStore(ask, { endpoint: "similar", parameters: { element }, limit, best: "cosine" }, signal);
  });
  const methods: Record<string, ServedMethod> = {
    get_blockchain_stats: withoutArguments(({ signal }) => askEveryStore(ask, { endpoint: "stats" }, signal)),
    get_system_network_state: withoutArguments(({ signal }) => readNetworkState(ask, signal)),
    semantic_query: search,
    semantic_search: search,
    find_similar_configs: similar,
    find_similar_config: similar,
    detect_anomalies: {
      takes: "s",
      alsoTakes: ["", "i", "u", "x", "t", "q"],
      gives: "s",
      answer: async ([window], { signal }) => {
        const parameters = { window: windowOf(window) };
        return [await askEveryStore(ask, { endpoint: "anomalies", parameters, best: "score" }, signal)];
      },
    },
  };
  const inCamelCase = Object.entries(methods).map(([name, method]) => [camelCase(name), method]);
  return {
    name: PORT_AGENT_NAME,
    xml: PORT_AGENT_XML,
    methods: { ...methods, ...Object.fromEntries(inCamelCase) },
    properties: {},
    signals: {},
  };
}

function textAndLimit(
  answer: (text: string, limit: string | undefined, caller: Caller) => Promise<string>,
): ServedMethod {
  return {
    ...WITH_LIMIT,
    gives: "s",
    answer: async ([text, limit], caller) => [
      await answer(text as string, limit === undefined ? undefined : `${limit}`, caller),
    ],
  };
}

function withoutArguments(answer: (caller: Caller) => Promise<string>): ServedMethod {
  return { takes: "", gives: "s", answer: async (_, caller) => [await answer(caller)] };
}

/** A bare number counts hours; nothing stands for the query's own default. */
function windowOf(window: unknown): string | undefined {
  const text = window === undefined ? "" : String(window).trim();
  if (text === "") return undefined;
  return /^\d+$/.test(text) ? `${text}h` : text;
}

function camelCase(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const DOC = "org.gtk.GDBus.DocString";

const PORT_AGENT_XML = `
<interface name="${PORT_AGENT_NAME}">
  <annotation name="${DOC}" value="Questions about this host's network and its history. Every answer is one JSON text."/>
  <method name="get_blockchain_stats">
    <annotation name="${DOC}" value="Size, root and contents of the ledger."/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="get_system_network_state">
    <annotation name="${DOC}" value="The present state of every network element, by type."/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="semantic_query">
    <annotation name="${DOC}" value="Events that plain words describe."/>
    <arg name="text" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="semantic_search">
    <annotation name="${DOC}" value="The same as semantic_query."/>
    <arg name="text" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="find_similar_configs">
    <annotation name="${DOC}" value="Events like the latest of an element."/>
    <arg name="element" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="find_similar_config">
    <annotation name="${DOC}" value="The same as find_similar_configs."/>
    <arg name="element" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="detect_anomalies">
    <annotation name="${DOC}" value="What is unusual in the window before the newest event: 24 (hours), 24h, 30m, or an empty text."/>
    <arg name="window" type="s" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="GetBlockchainStats">
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="GetSystemNetworkState">
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="SemanticQuery">
    <arg name="text" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="SemanticSearch">
    <arg name="text" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="FindSimilarConfigs">
    <arg name="element" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="FindSimilarConfig">
    <arg name="element" type="s" direction="in"/>
    <arg name="limit" type="u" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="DetectAnomalies">
    <arg name="window" type="s" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
</interface>`;
