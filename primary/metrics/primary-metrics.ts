// What the primary counts as it happens, beside what `status` says: appended events, seals, pushes. Handed to the stages as
// callbacks by serve-primary.ts; none of them knows of metrics. It must never throw: it is called on the way of every event.
import { Counter, Histogram, type Registry } from "prom-client";
import { BoundedCounts, OTHER } from "../../shared/metrics/bounded-counts.js";
import type { StateMetric } from "../../shared/metrics/state-metrics.js";
import type { AppendedEvent } from "../event.js";
import type { SealOutcome } from "../publish.js";
import type { PushOutcome } from "../push/link-status.js";
import { FILL_METRICS } from "./fill-metrics.js";
import { LEDGER_METRICS, type PrimaryState } from "./ledger-metrics.js";
import { LINK_METRICS } from "./link-metrics.js";
import { SOURCE_METRICS } from "./source-metrics.js";

/** What is read from the answer of `status` at each scrape. */
export const PRIMARY_METRICS: readonly StateMetric<PrimaryState>[] = [
  ...LEDGER_METRICS,
  ...FILL_METRICS,
  ...SOURCE_METRICS,
  ...LINK_METRICS,
];

/** Sources come from whoever writes events, too. */
const MOST_SOURCES = 64;
/** Twice as many as there are codes. */
const MOST_RESULTS = 48;
const SEAL_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** From an increment on loopback to a first sync over a bad link. */
const PUSH_BUCKETS_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43_200];

export class PrimaryMetrics {
  readonly appendedCounts = new BoundedCounts(MOST_SOURCES);
  lastSealAtMs: number | undefined;
  readonly #sealSeconds: Histogram;
  readonly #sealFailures: Counter;
  readonly #pushResults = new Set<string>();
  readonly #pushes: Counter<"replica" | "kind" | "result">;
  readonly #pushSeconds: Histogram<"replica" | "kind">;

  /** `lastSealAtMs`: of the generation that stands at the start. */
  constructor(registry: Registry, lastSealAtMs: number | undefined) {
    this.lastSealAtMs = lastSealAtMs;
    const registers = [registry];
    this.#sealSeconds = new Histogram({
      name: "isochron_seal_duration_seconds",
      help: "How long seals took that succeeded, waiting for vectors included.",
      buckets: SEAL_BUCKETS_SECONDS,
      registers,
    });
    this.#sealFailures = new Counter({
      name: "isochron_seal_failures_total",
      help: "Seals that failed. Each is tried again; until one succeeds, replicas get nothing new.",
      registers,
    });
    this.#pushes = new Counter({
      name: "isochron_pushes_total",
      help: "Pushes that ended, by kind, and by result: acked, ended (by an operator or a stop), or the code of the failure.",
      labelNames: ["replica", "kind", "result"],
      registers,
    });
    this.#pushSeconds = new Histogram({
      name: "isochron_push_duration_seconds",
      help: "How long pushes took that were acked.",
      labelNames: ["replica", "kind"],
      buckets: PUSH_BUCKETS_SECONDS,
      registers,
    });
  }

  appended(events: readonly AppendedEvent[]): void {
    for (const { entry } of events) this.appendedCounts.add(entry.source, entry.priority);
  }

  sealTried({ ms, failed }: SealOutcome): void {
    if (failed) {
      this.#sealFailures.inc();
      return;
    }
    this.#sealSeconds.observe(ms / 1000);
    this.lastSealAtMs = Date.now();
  }

  pushed(replica: string, { kind, ms, result }: PushOutcome): void {
    // A refusal's code is what the replica says it is.
    const isKnown = this.#pushResults.has(result) || this.#pushResults.size < MOST_RESULTS;
    if (isKnown) this.#pushResults.add(result);
    this.#pushes.inc({ replica, kind, result: isKnown ? result : OTHER });
    if (result === "acked") this.#pushSeconds.observe({ replica, kind }, ms / 1000);
  }
}
