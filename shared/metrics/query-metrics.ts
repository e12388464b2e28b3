// What the query process exports: questions and their durations, and how far the indexes are. It has a registry of its
// own; the daemon's page ends with its text, so no name here may be one of the daemon's.
import { Counter, Histogram, Registry } from "prom-client";
import type { EngineStatus, StoreStatus } from "../query/engine.js";
import { declareStateMetrics, type Labels, type Sample, type StateMetric, single } from "./state-metrics.js";

export const INDEX_STATES = ["ready", "building", "exact"] as const;

type Space = StoreStatus["spaces"][number];

const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const QUERY_STATE_METRICS: readonly StateMetric<EngineStatus>[] = [
  ofStores("isochron_query_ready", "1 while queries of the store are answered; 0 while it is being indexed.", (store) =>
    Number(store.ready),
  ),
  ofStores("isochron_query_answered_entries", "Entries that answers speak for.", ({ size }) => size),
  ofStores("isochron_query_answered_generation", "Generation that answers speak for.", ({ generation }) => generation),
  ofSpaces("isochron_index_rows", "Vector rows of the space.", ({ index }) => index.rows),
  ofSpaces(
    "isochron_index_covered_rows",
    "Rows that are in a built segment or in the newest tail; the others are scanned until they are.",
    ({ index }) => index.covered,
  ),
  ofSpaces("isochron_index_segments", "Built segments of the space.", ({ index }) => index.segments),
  {
    name: "isochron_index_state",
    type: "gauge",
    help: "1 for the state the index is in, 0 for the others; `exact` means that segments cannot be built and every row is scanned.",
    labels: ["store", "origin", "space", "state"],
    read: ({ stores }) =>
      stores.flatMap((store) =>
        store.spaces.flatMap(({ space, index }) =>
          INDEX_STATES.map((state): Sample => [{ ...of(store), space, state }, Number(index.state === state)]),
        ),
      ),
  },
  ofSpaces(
    "isochron_space_questions_embedded",
    "1 while questions to the space are embedded here; 0 while they are answered by words, for want of its model.",
    ({ questions }) => Number(questions.embedded),
  ),
  {
    name: "isochron_question_embeddings_total",
    type: "counter",
    help: "Vectors wanted of questions: embedded by a model, remembered from before, or failed. Events are never embedded here.",
    labels: ["result"],
    read: ({ questions }) => Object.entries(questions).map(([result, count]): Sample => [{ result }, count]),
  },
  single("isochron_query_process_resident_memory_bytes", "Memory of the query process.", (s) => s.memory.engine_bytes),
  single(
    "isochron_index_processes_resident_memory_bytes",
    "Memory of its index processes.",
    (s) => s.memory.index_bytes,
  ),
  single(
    "isochron_question_process_resident_memory_bytes",
    "Memory of the process that embeds questions; 0 before the first.",
    (s) => s.memory.questions_bytes,
  ),
];

export class QueryMetrics {
  readonly registry = new Registry();
  readonly #status: () => Promise<EngineStatus>;
  readonly #show: (status: EngineStatus) => void;
  readonly #queries: Counter<"query" | "result">;
  readonly #seconds: Histogram<"query">;

  constructor(daemon: string, status: () => Promise<EngineStatus>) {
    this.#status = status;
    this.registry.setDefaultLabels({ daemon });
    const registers = [this.registry];
    this.#show = declareStateMetrics(this.registry, QUERY_STATE_METRICS);
    this.#queries = new Counter({
      name: "isochron_queries_total",
      help: "Questions by query, and by result: ok, or the code of the refusal.",
      labelNames: ["query", "result"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "isochron_query_duration_seconds",
      help: "How long answers took to find.",
      labelNames: ["query"],
      buckets: BUCKETS_SECONDS,
      registers,
    });
  }

  answered(query: string, result: string, seconds: number): void {
    this.#queries.inc({ query, result });
    this.#seconds.observe({ query }, seconds);
  }

  async page(): Promise<string> {
    this.#show(await this.#status());
    return this.registry.metrics();
  }
}

function of({ store, origin }: StoreStatus): Labels {
  return { store, origin };
}

function ofStores(name: string, help: string, value: (store: StoreStatus) => number): StateMetric<EngineStatus> {
  return {
    ...{ name, help, type: "gauge", labels: ["store", "origin"] },
    read: ({ stores }) => stores.map((store): Sample => [of(store), value(store)]),
  };
}

function ofSpaces(name: string, help: string, value: (space: Space) => number): StateMetric<EngineStatus> {
  return {
    ...{ name, help, type: "gauge", labels: ["store", "origin", "space"] },
    read: ({ stores }) =>
      stores.flatMap((store) => store.spaces.map((one): Sample => [{ ...of(store), space: one.space }, value(one)])),
  };
}
