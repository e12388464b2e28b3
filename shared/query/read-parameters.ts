// Reads the parameters of the query endpoints. Everything in a URL is text from a stranger: what is not exactly a
// parameter of that endpoint is refused, with its name, its value and what would be right.
import { z } from "zod";
import { parseDuration } from "../cli/parse-duration.js";
import { parseTimestamp } from "../format/timestamp.js";
import type { AnomaliesQuery } from "./query-anomalies.js";
import type { ChainQuery } from "./query-chain.js";
import type { ElementsQuery } from "./query-elements.js";
import { badParameter } from "./query-error.js";
import type { EventQuery } from "./query-event.js";
import type { SearchQuery } from "./query-search.js";
import type { SimilarQuery } from "./query-similar.js";
import type { StateQuery } from "./query-state.js";
import type { TimelineQuery } from "./query-timeline.js";
import { SEARCH_MODES } from "./search/inquire.js";

export const MOST_RESULTS = 1000;
const MOST_TYPES = 32;
const LEAST_WINDOW_MS = 1000;
const MOST_WINDOW_MS = 100 * 365.25 * 86_400_000;

/** A parameter given twice comes as an array. */
const text = () =>
  z.string({ error: ({ input }) => (input === undefined ? "it must be given" : "give it once, as text") });
const name = text().min(1, "give a name").max(4096, "names are at most 4096 characters long");
const whole = (most: number) =>
  text()
    .regex(/^\d{1,15}$/, `give a whole number from 0 to ${most}`)
    .transform(Number)
    .refine((value) => value <= most, `give at most ${most}`);
const seq = whole(999_999_999_999_999);
const limit = (usual: number) =>
  whole(MOST_RESULTS)
    .refine((value) => value >= 1, `give 1 to ${MOST_RESULTS}`)
    .default(usual);
const time = text().transform((text, context) => {
  try {
    return parseTimestamp(text);
  } catch {
    context.addIssue("write the time as 2026-11-20T10:05:00Z");
    return z.NEVER;
  }
});
/** Microseconds. */
const duration = text().transform((text, context) => {
  try {
    const ms = parseDuration(text, "window");
    if (ms >= LEAST_WINDOW_MS && ms <= MOST_WINDOW_MS) return Math.round(ms * 1000);
  } catch {
    // The way out is the same.
  }
  context.addIssue("write a duration from 1s to 36525d, such as 90s, 15min, 24h or 7d");
  return z.NEVER;
});
const types = name
  .transform((text) => [...new Set(text.split(","))])
  .refine((types) => types.length <= MOST_TYPES && !types.includes(""), {
    error: `give up to ${MOST_TYPES} types, with one comma between two`,
  });
const hash = text()
  .regex(/^[0-9a-fA-F]{8,64}$/, "give 8 to 64 hex digits of an event's hash")
  .transform((text) => text.toLowerCase());
const flag = z.enum(["true", "false", ""], "give true or false").transform((text) => text !== "false");
const cursor = text().max(1024, "give the cursor as it came").optional();
const store = name.optional();

const schemas = {
  chain: z.strictObject({ store, element: name, limit: limit(100), cursor }),
  timeline: z.strictObject({
    store,
    from: time.optional(),
    to: time.optional(),
    type: name.optional(),
    actor: name.optional(),
    action: name.optional(),
    element: name.optional(),
    reverse: flag.default(false),
    limit: limit(100),
    cursor,
  }),
  event: z.strictObject({ store, seq: seq.optional(), hash: hash.optional() }),
  state: z.strictObject({ store, element: name, at: time.optional(), height: seq.optional() }),
  elements: z.strictObject({
    store,
    type: types.optional(),
    source: name.optional(),
    prefix: text().max(4096, "names are at most 4096 characters long").default(""),
    states: flag.default(false),
    limit: limit(100),
    cursor,
  }),
  similar: z.strictObject({ store, seq: seq.optional(), element: name.optional(), limit: limit(10) }),
  search: z.strictObject({
    store,
    q: name,
    mode: z.enum(SEARCH_MODES, `give one of ${SEARCH_MODES.join(", ")}`).default("hybrid"),
    group: flag.default(false),
    explain: flag.default(false),
    limit: limit(10),
  }),
  anomalies: z.strictObject({
    store,
    window: duration.optional(),
    from: time.optional(),
    to: time.optional(),
    limit: limit(20),
  }),
  stats: z.strictObject({ store }),
  status: z.strictObject({}),
};

export type Asked<Q> = { store: string | undefined; query: Q };

/** Each throws QueryError `bad-parameter`. */
export const readParameters = {
  chain(raw: unknown): Asked<ChainQuery> {
    const { store, ...query } = read("chain", raw);
    return { store, query };
  },
  timeline(raw: unknown): Asked<TimelineQuery> {
    const { store, from, to, ...query } = read("timeline", raw);
    const fromMicros = from ?? Number.MIN_SAFE_INTEGER;
    const toMicros = to ?? Number.MAX_SAFE_INTEGER;
    if (fromMicros > toMicros)
      throw badParameter("to", (raw as { to: string }).to, "give a time that is not before `from`");
    return { store, query: { ...query, fromMicros, toMicros } };
  },
  event(raw: unknown): Asked<EventQuery> {
    const { store, seq, hash } = read("event", raw);
    if (seq !== undefined && hash === undefined) return { store, query: { seq } };
    if (hash !== undefined && seq === undefined) return { store, query: { hash } };
    throw badParameter("seq", seq, "give either seq or hash");
  },
  state(raw: unknown): Asked<StateQuery> {
    const { store, element, at, height } = read("state", raw);
    if (at !== undefined && height !== undefined) throw badParameter("height", height, "give either at or height");
    return { store, query: { element, atMicros: at, height } };
  },
  elements(raw: unknown): Asked<ElementsQuery> {
    const { store, type, ...query } = read("elements", raw);
    return { store, query: { ...query, types: type } };
  },
  similar(raw: unknown): Asked<SimilarQuery> {
    const { store, seq, element, limit } = read("similar", raw);
    if (seq !== undefined && element === undefined) return { store, query: { seq, limit } };
    if (element !== undefined && seq === undefined) return { store, query: { element, limit } };
    throw badParameter("seq", seq, "give either seq or element");
  },
  search(raw: unknown): Asked<SearchQuery> {
    const { store, q, ...query } = read("search", raw);
    return { store, query: { words: q, ...query } };
  },
  anomalies(raw: unknown): Asked<AnomaliesQuery> {
    const { store, window, from, to, limit } = read("anomalies", raw);
    const given = raw as { window?: string; to?: string };
    if (window !== undefined && from !== undefined && to !== undefined) {
      throw badParameter("window", given.window, "give two of window, from and to at most");
    }
    if (from !== undefined && to !== undefined && from > to) {
      throw badParameter("to", given.to, "give a time that is not before `from`");
    }
    return { store, query: { windowMicros: window, fromMicros: from, toMicros: to, limit } };
  },
  stats(raw: unknown): Asked<undefined> {
    return { store: read("stats", raw).store, query: undefined };
  },
  status(raw: unknown): void {
    read("status", raw);
  },
};

function read<N extends keyof typeof schemas>(endpoint: N, raw: unknown): z.infer<(typeof schemas)[N]> {
  const parsed = schemas[endpoint].safeParse(raw);
  if (parsed.success) return parsed.data as z.infer<(typeof schemas)[N]>;
  const issue = parsed.error.issues[0];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const at = unknown ?? String(issue?.path[0] ?? "");
  const known = Object.keys(schemas[endpoint].shape).join(", ") || "none";
  const value = (raw as Record<string, unknown>)[at];
  throw badParameter(at, value, unknown === undefined ? (issue?.message ?? "") : `the parameters are: ${known}`);
}
