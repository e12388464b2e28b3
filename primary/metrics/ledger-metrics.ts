// What the primary exports of its own store: ledger, backlog, volume. Read from the answer of `status`.
import type { BoundedCounts } from "../../shared/metrics/bounded-counts.js";
import { type Sample, type StateMetric, single } from "../../shared/metrics/state-metrics.js";
import type { PrimaryStatus } from "../answer-operator.js";

export interface PrimaryState {
  status: PrimaryStatus;
  /** By source and priority, since the start. */
  appended: BoundedCounts;
  /** Undefined before the first seal of the store. */
  lastSealAtMs: number | undefined;
}

export const LEDGER_METRICS: readonly StateMetric<PrimaryState>[] = [
  single("isochron_ledger_entries", "Entries in the ledger, sealed or not.", ({ status }) => status.ledger.size),
  single("isochron_ledger_sealed_entries", "Entries in the newest generation.", ({ status }) => status.ledger.sealed),
  single("isochron_ledger_generation", "Newest generation.", ({ status }) => status.ledger.generation),
  {
    name: "isochron_appended_events_total",
    type: "counter",
    help: "Events that became durable, seals among them. Sources past the 64th are counted as `other`.",
    labels: ["source", "priority"],
    read: ({ appended }) =>
      [...appended.pairs()].map(({ first, second, count }): Sample => [{ source: first, priority: second }, count]),
  },
  single(
    "isochron_last_seal_timestamp_seconds",
    "When the newest generation was sealed; 0 if there is none.",
    ({ lastSealAtMs = 0 }) => lastSealAtMs / 1000,
  ),
  single(
    "isochron_ledger_queue_events",
    "Events that wait for the ledger; when the queue is full, sources wait.",
    ({ status }) => status.backlog.ledger,
  ),
  {
    name: "isochron_vector_backlog_events",
    type: "gauge",
    help: "Events that wait for their vector.",
    labels: ["priority"],
    read: ({ status }) =>
      Object.entries(status.vectorize.backlog).map(([priority, events]): Sample => [{ priority }, events]),
  },
  single(
    "isochron_vector_late_events",
    "Events in a generation whose vector is still to come.",
    ({ status }) => status.vectorize.late.waiting,
  ),
  single(
    "isochron_vector_late_events_total",
    "Events that a generation went without the vectors of.",
    ({ status }) => status.vectorize.late.since_start,
    "counter",
  ),
  {
    name: "isochron_vector_level_degraded",
    type: "gauge",
    help: "1 while a level makes its vectors with the heuristic, because its model or the runtime cannot be used.",
    labels: ["level"],
    read: ({ status }) =>
      status.vectorize.in_force.map(({ level, fault }): Sample => [{ level }, fault === null ? 0 : 1]),
  },
  single(
    "isochron_vector_worker_outgrown_total",
    "Workers that took more than vectorize.worker_memory and were replaced.",
    ({ status }) => status.vectorize.workers.outgrown,
    "counter",
  ),
  single(
    "isochron_vector_degraded_events_total",
    "Events that were embedded without their state, because it ended the worker.",
    ({ status }) => status.vectorize.workers.degraded,
    "counter",
  ),
  single(
    "isochron_vector_worker_deaths_total",
    "Workers that ended by themselves; each is replaced.",
    ({ status }) => status.vectorize.workers.deaths,
    "counter",
  ),
  single(
    "isochron_ledger_kept_generations",
    "Generations that `keep` keeps, the newest among them.",
    ({ status }) => status.kept.length,
  ),
  single(
    "isochron_bus_subscribers",
    "Programs that follow events as they come.",
    ({ status }) => status.bus.subscribers.length,
  ),
  single("isochron_volume_free_bytes", "Free bytes of the volume.", ({ status }) => status.volume.free_bytes),
  single("isochron_volume_size_bytes", "Size of the volume.", ({ status }) => status.volume.total_bytes),
];
