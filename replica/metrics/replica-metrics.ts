// What the replica exports: per store what it holds and how far behind it is, per origin how pushes ended. Pushes are
// counted by origin, because those are trusted ones: whoever can log in can make up store UUIDs.
import { Counter, Histogram, type Registry } from "prom-client";
import { type Labels, type Sample, type StateMetric, single } from "../../shared/metrics/state-metrics.js";
import type { HeldStatus } from "../agent/replica-stores.js";
import type { Received } from "../replicate.js";

export interface ReplicaState {
  stores: readonly HeldStatus[];
  volume: { freeBytes: number; totalBytes: number };
}

export const REPLICA_METRICS: readonly StateMetric<ReplicaState>[] = [
  ofStores("isochron_store_generation", "Generation that is held.", ({ generation }) => generation),
  ofStores("isochron_store_entries", "Entries that are held.", ({ size }) => size),
  ofStores(
    "isochron_store_lag_seconds",
    "For how long an entry that the primary told of has not been here; 0 when all are. Entries wait for their seal first.",
    ({ lag }) => lag?.seconds,
  ),
  ofStores(
    "isochron_store_sealed_lag_seconds",
    "The same of sealed generations: what could be here and is not.",
    ({ lag }) => lag?.sealed_seconds,
  ),
  ofStores(
    "isochron_store_behind_entries",
    "Entries that the primary told of and that are not here.",
    ({ lag }) => lag?.entries,
  ),
  ofStores(
    "isochron_store_last_promotion_timestamp_seconds",
    "When the current generation was promoted; 0 if there is none.",
    ({ last_promotion }) => secondsOf(last_promotion) ?? 0,
  ),
  ofStores(
    "isochron_store_last_contact_timestamp_seconds",
    "When the primary was last heard; 0 if not since the start.",
    ({ primary }) => secondsOf(primary?.heard) ?? 0,
  ),
  ofStores("isochron_store_receiving", "1 while a push is being received.", ({ receiving }) => Number(receiving)),
  ofStores(
    "isochron_store_damaged",
    "1 if what is held is not what was accepted, and an operator must look at it.",
    ({ damage }) => Number(damage !== null),
  ),
  ofStores(
    "isochron_store_kept_generations",
    "Generations that `keep` keeps, the current one among them.",
    ({ kept }) => kept.length,
  ),
  single("isochron_volume_free_bytes", "Free bytes of the volume.", ({ volume }) => volume.freeBytes),
  single("isochron_volume_size_bytes", "Size of the volume.", ({ volume }) => volume.totalBytes),
];

const BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export class ReplicaMetrics {
  readonly #receives: Counter<"origin" | "kind" | "result">;
  readonly #unverified: Counter<"origin">;
  readonly #receiveSeconds: Histogram<"origin">;
  readonly #verifySeconds: Histogram<"origin">;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#receives = new Counter({
      name: "isochron_receives_total",
      help: "Pushes that ended, by kind, and by result: ok, or the code of the refusal.",
      labelNames: ["origin", "kind", "result"],
      registers,
    });
    this.#unverified = new Counter({
      name: "isochron_verification_failures_total",
      help: "Pushes that were refused because they did not verify.",
      labelNames: ["origin"],
      registers,
    });
    const durations = { labelNames: ["origin"] as const, buckets: BUCKETS_SECONDS, registers };
    this.#receiveSeconds = new Histogram({
      ...durations,
      name: "isochron_receive_duration_seconds",
      help: "From the start of a push to its last byte in `btrfs receive`.",
    });
    this.#verifySeconds = new Histogram({
      ...durations,
      name: "isochron_verify_duration_seconds",
      help: "How long the verification of what arrived took.",
    });
  }

  received(origin: string, { kind, result, unverified, receiveMs, verifyMs }: Received): void {
    this.#receives.inc({ origin, kind, result });
    // Shown as 0 from the first push on: a counter that appears with its first failure has no increase.
    this.#unverified.inc({ origin }, Number(unverified));
    if (receiveMs !== undefined) this.#receiveSeconds.observe({ origin }, receiveMs / 1000);
    if (verifyMs !== undefined) this.#verifySeconds.observe({ origin }, verifyMs / 1000);
  }
}

function ofStores(
  name: string,
  help: string,
  value: (store: HeldStatus) => number | null | undefined,
): StateMetric<ReplicaState> {
  const labelsOf = ({ store, origin }: HeldStatus): Labels => ({ store, origin });
  return {
    ...{ name, help, type: "gauge", labels: ["store", "origin"] },
    read: ({ stores }) => stores.map((store): Sample => [labelsOf(store), value(store)]),
  };
}

function secondsOf(time: string | null | undefined): number | undefined {
  return time ? Date.parse(time) / 1000 : undefined;
}
