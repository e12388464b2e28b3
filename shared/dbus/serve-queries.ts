// The `.Query` interface, the same on both daemons: every query of the command line as a method that gives JSON, the same
// that the HTTP endpoints answer. Options are the endpoints' parameters, by name.
import { type AskQuery, type Parameters, readOptions } from "./ask-queries.js";
import type { ServedInterface, ServedMethod } from "./served-object.js";

/** `name` is `dev.isochron.Primary1.Query` or `dev.isochron.Replica1.Query`. */
export function queryInterface(name: string, ask: AskQuery): ServedInterface {
  const about = (endpoint: string, parametersOf: (text: string) => Parameters): ServedMethod => ({
    takes: "sa{sv}",
    alsoTakes: ["s"],
    gives: "s",
    answer: async ([text, options = {}], { signal }) => [
      await ask(endpoint, readOptions(options as Record<string, unknown>, parametersOf(text as string)), signal),
    ],
  });
  const overall = (endpoint: string): ServedMethod => ({
    takes: "a{sv}",
    alsoTakes: [""],
    gives: "s",
    answer: async ([options = {}], { signal }) => [
      await ask(endpoint, readOptions(options as Record<string, unknown>), signal),
    ],
  });
  return {
    name,
    xml: queryXml(name),
    methods: {
      Chain: about("chain", (element) => ({ element })),
      Timeline: overall("timeline"),
      Event: about("event", (event) => (isSeq(event) ? { seq: event } : { hash: event })),
      State: about("state", (element) => ({ element })),
      Similar: about("similar", (event) => (isSeq(event) ? { seq: event } : { element: event })),
      Search: about("search", (q) => ({ q })),
      Elements: overall("elements"),
      Anomalies: overall("anomalies"),
      Stats: overall("stats"),
      Status: { takes: "", gives: "s", answer: async (_, { signal }) => [await ask("status", {}, signal)] },
    },
    properties: {},
    signals: {},
  };
}

/** As on the command line: up to 15 digits are a sequence number. */
function isSeq(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}

const DOC = "org.gtk.GDBus.DocString";

function queryXml(name: string): string {
  return `
<interface name="${name}">
  <annotation name="${DOC}" value="Every query, answered as JSON. Options are the parameters of the HTTP endpoints: limit, cursor, store and so on."/>
  <method name="Chain">
    <annotation name="${DOC}" value="What happened to one element, in order, verified as it is read. Options: limit, cursor, store."/>
    <arg name="element" type="s" direction="in"/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Timeline">
    <annotation name="${DOC}" value="What happened between two times. Options: from, to, type, actor, action, element, reverse, limit, cursor, store."/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Event">
    <annotation name="${DOC}" value="One event in full, by sequence number or hash. Options: store."/>
    <arg name="seq_or_hash" type="s" direction="in"/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="State">
    <annotation name="${DOC}" value="The state an element was in. Options: at or height, store."/>
    <arg name="element" type="s" direction="in"/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Similar">
    <annotation name="${DOC}" value="Events like a given one (its sequence number), or like an element's latest. Options: limit, store."/>
    <arg name="event" type="s" direction="in"/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Search">
    <annotation name="${DOC}" value="Events that plain words describe. Options: limit, store."/>
    <arg name="words" type="s" direction="in"/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Elements">
    <annotation name="${DOC}" value="Every element with its newest event. Options as of the command line."/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Anomalies">
    <annotation name="${DOC}" value="What is unusual in a window of time. Options: window, or from and to; limit, store."/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Stats">
    <annotation name="${DOC}" value="How many events, elements, types, actions, actors and sources there are. Options: store."/>
    <arg name="options" type="a{sv}" direction="in"/>
    <arg name="json" type="s" direction="out"/>
  </method>
  <method name="Status">
    <annotation name="${DOC}" value="The stores that are answered for, up to which generation, and how far behind."/>
    <arg name="json" type="s" direction="out"/>
  </method>
</interface>`;
}
