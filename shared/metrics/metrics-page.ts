// One scrape of a daemon: what its state says now, what its stages have counted, and what its query process says of
// itself. Made in serve-primary.ts and serve-replica.ts, one registry for each.
import type { Registry } from "prom-client";
import { askSocketText } from "../cli/ask-socket.js";
import type { AnsweredBy } from "../query/start-queries.js";
import { PROCESS_METRICS, type ProcessState, ProcessWatch } from "./process-metrics.js";
import { METRICS_PATH } from "./serve-metrics.js";
import { declareStateMetrics, type StateMetric, single } from "./state-metrics.js";

export interface MetricsPageOptions<State> {
  registry: Registry;
  /** On every metric: the two daemons of one host may share a scrape. */
  daemon: "primary" | "replica";
  version: string;
  metrics: readonly StateMetric<State>[];
  state: () => Promise<State>;
  querySocket: string;
  answeredBy: () => AnsweredBy;
}

/** A query process that hangs must not take the daemon's own metrics with it: Prometheus waits 10 s for a scrape. */
const QUERY_WITHIN_MS = 4_000;

interface Common {
  version: string;
  process: ProcessState;
  queryUp: boolean;
  answeredBy: AnsweredBy;
}

const COMMON_METRICS: readonly StateMetric<Common>[] = [
  {
    name: "isochron_build_info",
    type: "gauge",
    help: "1, with the version that runs.",
    labels: ["version"],
    read: ({ version }) => [[{ version }, 1]],
  },
  single("isochron_query_process_up", "1 while the query process answers.", ({ queryUp }) => Number(queryUp)),
  single(
    "isochron_query_service_connected",
    "1 while the service of `query.user` hears of promotions; left out where a child of the daemon answers queries.",
    ({ answeredBy }) => (answeredBy.by === "service" ? Number(answeredBy.connected) : undefined),
  ),
];

export class MetricsPage<State> {
  readonly #options: MetricsPageOptions<State>;
  readonly #process = new ProcessWatch();
  readonly #show: (state: State) => void;
  readonly #showCommon: (common: Common) => void;
  readonly #showProcess: (process: ProcessState) => void;

  constructor(options: MetricsPageOptions<State>) {
    this.#options = options;
    const { registry, daemon, metrics } = options;
    registry.setDefaultLabels({ daemon });
    this.#show = declareStateMetrics(registry, metrics);
    this.#showCommon = declareStateMetrics(registry, COMMON_METRICS);
    this.#showProcess = declareStateMetrics(registry, PROCESS_METRICS);
  }

  start(): void {
    this.#process.start();
  }

  stop(): void {
    this.#process.stop();
  }

  async text(): Promise<string> {
    const { registry, state, version, answeredBy } = this.#options;
    const [now, process, ofQueries] = await Promise.all([state(), this.#process.state(), this.#askQueryProcess()]);
    this.#show(now);
    this.#showCommon({ version, process, queryUp: ofQueries !== undefined, answeredBy: answeredBy() });
    this.#showProcess(process);
    return `${await registry.metrics()}${ofQueries ?? ""}`;
  }

  /** Undefined while it is away: it is started again by itself, and its counters begin anew. */
  async #askQueryProcess(): Promise<string | undefined> {
    const ask = { socketPath: this.#options.querySocket, path: METRICS_PATH };
    const signal = AbortSignal.timeout(QUERY_WITHIN_MS);
    return askSocketText({ ...ask, signal }).catch(() => undefined);
  }
}
