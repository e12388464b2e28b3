// The query commands, the same in both bins: chain, timeline, event, state, elements, similar, search, anomalies, stats.
// Each is one question to the daemon's query socket.
import type { Argv, CommandModule } from "yargs";
import type { Answerer } from "../query/name-answerer.js";
import type { ChainEvent } from "../query/query-chain.js";
import type { EventSummary, FullEvent } from "../query/query-context.js";
import type { ElementSummary } from "../query/query-elements.js";
import type { SimilarAnswer } from "../query/query-similar.js";
import { SEARCH_MODES } from "../query/search/inquire.js";
import { askSocket, pathWith } from "./ask-socket.js";
import {
  type Answer,
  CHAIN_COLUMNS,
  EVENT_COLUMNS,
  SIMILAR_COLUMNS,
  showElements,
  showEvents,
  showJson,
  showTable,
} from "./show-answer.js";
import { type AnomaliesShown, type StatsShown, showAnomalies, showStats } from "./show-overview.js";
import { type SearchShown, showSearch } from "./show-search.js";

export type Arguments = Record<string, unknown>;
/** Finds the query socket for the options given on the command line. */
export type AnswererOf = (argv: Arguments) => Promise<Answerer>;

interface QueryCommand {
  command: string;
  describe: string;
  example: [string, string];
  options(yargs: Argv): Argv;
  /** Endpoint and its parameters. */
  ask(argv: Arguments): [string, Arguments];
  show(answer: Answer<never>): void;
}

export function queryCommands(answererOf: AnswererOf): CommandModule[] {
  return COMMANDS.map((command) => toModule(command, answererOf));
}

function toModule(
  { command, describe, example, options, ask, show }: QueryCommand,
  answererOf: AnswererOf,
): CommandModule {
  return {
    command,
    describe,
    builder: (yargs) =>
      options(yargs)
        .option("store", { type: "string", describe: "UUID or origin of the store, when there are several" })
        .option("json", { type: "boolean", default: false, describe: "JSON lines: results, then what they speak for" })
        .example([example]),
    handler: async (argv) => {
      const [endpoint, parameters] = ask(argv);
      const path = pathWith(`/v1/${endpoint}`, { ...parameters, store: argv.store } as Record<string, string>);
      const answer = await askSocket<Answer<never>>({ ...(await answererOf(argv)), path });
      if (argv.json) showJson(answer);
      else show(answer);
    },
  };
}

const limit = { type: "number", describe: "Most results at a time (up to 1000)" } as const;
const cursor = { type: "string", describe: "Go on after the page that gave this cursor" } as const;
const element = { type: "string", demandOption: true, describe: "Element, such as interface:eth0" } as const;

const COMMANDS: QueryCommand[] = [
  {
    command: "chain <element>",
    describe: "What happened to one element, in order, verified as it is read",
    example: ["$0 chain interface:eth0 --limit 20", "The first 20 events of eth0, with what each changed"],
    options: (yargs) => yargs.positional("element", element).option("limit", limit).option("cursor", cursor),
    ask: ({ element, limit, cursor }) => ["chain", { element, limit, cursor }],
    show: (answer) => showTable(answer as Answer<ChainEvent>, CHAIN_COLUMNS),
  },
  {
    command: "timeline",
    describe: "What happened between two times, newest last",
    example: ["$0 timeline --from 2026-11-20T10:00 --actor admin", "What admin did since ten o'clock (UTC)"],
    options: (yargs) =>
      yargs
        .option("from", { type: "string", describe: "First time, ISO 8601; UTC unless it has an offset" })
        .option("to", { type: "string", describe: "Last time, included" })
        .option("type", { type: "string", describe: "Only elements of this type, such as NetworkInterface" })
        .option("actor", { type: "string", describe: "Only events by this actor" })
        .option("action", { type: "string", describe: "Only events with this action" })
        .option("element", { type: "string", describe: "Only events of this element" })
        .option("reverse", { type: "boolean", default: false, describe: "Newest first" })
        .option("limit", limit)
        .option("cursor", cursor),
    ask: ({ from, to, type, actor, action, element, reverse, limit, cursor }) => [
      "timeline",
      { from, to, type, actor, action, element, reverse, limit, cursor },
    ],
    show: (answer) => showTable(answer as Answer<EventSummary>, EVENT_COLUMNS),
  },
  {
    command: "event <event>",
    describe: "One event in full, by sequence number or hash",
    example: ["$0 event 1041", "Event 1041; a hash, or its first 8 digits or more, serves too"],
    options: (yargs) => yargs.positional("event", { type: "string", demandOption: true, describe: "Number or hash" }),
    ask: ({ event }) => ["event", isSeq(event) ? { seq: event } : { hash: event }],
    show: (answer) => showEvents(answer as Answer<FullEvent>),
  },
  {
    command: "state <element>",
    describe: "What an element looked like: the state to roll it back to",
    example: ["$0 state interface:eth0 --at 2026-11-20T10:05:00Z", "eth0 as it was then"],
    options: (yargs) =>
      yargs
        .positional("element", element)
        .option("at", { type: "string", describe: "Time, ISO 8601; without it and --height, now" })
        .option("height", { type: "number", describe: "Height in the element's chain" })
        .conflicts("at", "height"),
    ask: ({ element, at, height }) => ["state", { element, at, height }],
    show: (answer) => showEvents(answer as Answer<FullEvent>),
  },
  {
    command: "elements",
    describe: "Every element with its newest event, in order of name",
    example: [
      "$0 elements --type Bridge --type Interface --states --json",
      "The present state of bridges and interfaces",
    ],
    options: (yargs) =>
      yargs
        .option("type", { type: "string", array: true, describe: "Only elements of this type; may be given again" })
        .option("source", { type: "string", describe: "Only elements whose newest event came by this source" })
        .option("prefix", { type: "string", describe: "Only elements whose names begin with this" })
        .option("states", { type: "boolean", default: false, describe: "With each element's state, verified" })
        .option("limit", limit)
        .option("cursor", cursor),
    ask: ({ type, source, prefix, states, limit, cursor }) => [
      "elements",
      { type: (type as string[] | undefined)?.join(","), source, prefix, states, limit, cursor },
    ],
    show: (answer) => showElements(answer as Answer<ElementSummary>),
  },
  {
    command: "similar <event>",
    describe: "Events like a given one, or like an element's latest",
    example: ["$0 similar interface:eth0 --limit 5", "The five events most like the latest of eth0"],
    options: (yargs) =>
      yargs
        .positional("event", { type: "string", demandOption: true, describe: "Sequence number, or an element" })
        .option("limit", limit),
    ask: ({ event, limit }) => ["similar", isSeq(event) ? { seq: event, limit } : { element: event, limit }],
    show: (answer) => showTable(answer as Answer<SimilarAnswer["results"][number]>, SIMILAR_COLUMNS),
  },
  {
    command: "search <words..>",
    describe: "Events that words, names or a question describe",
    example: ['$0 search "wifi lost after update"', "Each result shows its rank and score by words and by vectors"],
    options: (yargs) =>
      yargs
        .positional("words", { type: "string", array: true, demandOption: true, describe: "Any of these words" })
        .option("mode", { choices: SEARCH_MODES, default: "hybrid", describe: "By words, by meaning, or by both" })
        .option("group", { type: "boolean", describe: "Events that say the same as one; the default unless --json" })
        .option("explain", { type: "boolean", default: false, describe: "How each score came about" })
        .option("limit", limit),
    ask: ({ words, mode, group, explain, json, limit }) => [
      "search",
      { q: (words as string[]).join(" "), mode, group: group ?? !json, explain, limit },
    ],
    show: (answer) => showSearch(answer as unknown as SearchShown),
  },
  {
    command: "anomalies",
    describe: "What is unusual in a window of time, against all that came before it",
    example: ["$0 anomalies --window 7d", "The seven days up to the end of the ledger; without --window, a day"],
    options: (yargs) =>
      yargs
        .option("window", { type: "string", describe: "Length of the window, such as 90s, 15min, 24h or 7d" })
        .option("from", { type: "string", describe: "First time of the window, ISO 8601" })
        .option("to", { type: "string", describe: "Last time of the window, included" })
        .option("limit", limit),
    ask: ({ window, from, to, limit }) => ["anomalies", { window, from, to, limit }],
    show: (answer) => showAnomalies(answer as unknown as AnomaliesShown),
  },
  {
    command: "stats",
    describe: "What the store holds, in numbers",
    example: ["$0 stats", "Events, elements, and the most frequent types, actions, actors and sources"],
    options: (yargs) => yargs,
    ask: () => ["stats", {}],
    show: (answer) => showStats(answer as unknown as StatsShown),
  },
];

/** Up to 15 digits are a sequence number; a hash that happens to have no letter can be given in full. */
function isSeq(text: unknown): boolean {
  return /^\d{1,15}$/.test(String(text));
}
