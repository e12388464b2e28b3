// What the primary exports of its links, one set for each configured replica. Read from the answer of `status`.
import type { Sample, StateMetric } from "../../shared/metrics/state-metrics.js";
import { LINK_HEALTH } from "../push/health/assess-health.js";
import type { LinkStatus } from "../push/link-status.js";
import type { PrimaryState } from "./ledger-metrics.js";

export const LINK_METRICS: readonly StateMetric<PrimaryState>[] = [
  {
    name: "isochron_link_health",
    type: "gauge",
    help: "1 for the state the link is in, 0 for the others.",
    labels: ["replica", "state"],
    read: ({ status }) =>
      status.replicas.flatMap(({ name, health }) =>
        LINK_HEALTH.map((state): Sample => [{ replica: name, state }, Number(health === state)]),
      ),
  },
  ofLinks(
    "isochron_link_last_ack_timestamp_seconds",
    "When the replica last acked a generation; 0 if it never did.",
    ({ last_ack }) => secondsOf(last_ack),
  ),
  ofLinks(
    "isochron_link_last_contact_timestamp_seconds",
    "When the replica was last heard; 0 if not since the start.",
    ({ last_contact }) => secondsOf(last_contact),
  ),
  ofLinks("isochron_link_acked_generation", "Generation that the replica holds.", ({ generation }) => generation),
  ofLinks("isochron_link_acked_entries", "Entries that the replica holds.", ({ size }) => size),
  {
    ...ofLinks("isochron_link_behind_entries", "Sealed entries that the replica does not hold.", () => undefined),
    read: ({ status }) =>
      status.replicas.map(
        ({ name, size }): Sample => [
          { replica: name },
          size === undefined ? undefined : Math.max(0, status.ledger.sealed - size),
        ],
      ),
  },
  {
    ...ofLinks("isochron_link_sent_bytes_total", "Bytes sent, failed pushes included.", (link) => link.bytes_sent),
    type: "counter",
  },
  ofLinks(
    "isochron_link_bits_per_second",
    "What the link was last measured to carry; absent while that is unknown.",
    ({ bandwidth }) => bandwidth.bits_per_second ?? undefined,
  ),
  {
    ...ofLinks(
      "isochron_link_failures_total",
      "Attempts that failed: connecting, hello, push.",
      ({ failures }) => failures,
    ),
    type: "counter",
  },
  ofLinks(
    "isochron_link_bandwidth_bytes_per_second",
    "Measured speed of the link; none while nothing is known of it, or only what was long ago.",
    ({ bandwidth: { state, bits_per_second: rate } }) => (state === "stale" || rate === null ? null : rate / 8),
  ),
  ofLinks("isochron_link_pinned_generations", "Generations that stay for the replica.", ({ pins }) => pins.length),
  ofLinks("isochron_link_pushing", "1 while a push is under way.", ({ pushing }) => Number(pushing !== null)),
];

function ofLinks(
  name: string,
  help: string,
  value: (link: LinkStatus) => number | null | undefined,
): StateMetric<PrimaryState> {
  return {
    ...{ name, help, type: "gauge", labels: ["replica"] },
    read: ({ status }) => status.replicas.map((link): Sample => [{ replica: link.name }, value(link)]),
  };
}

function secondsOf(time: string | null): number {
  return time === null ? 0 : Date.parse(time) / 1000;
}
