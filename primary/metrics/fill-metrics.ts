// What the primary exports of spaces that are being filled. Read from the answer of `status`.
import type { Sample, StateMetric } from "../../shared/metrics/state-metrics.js";
import type { FillStatus } from "../vectorize/fill/fill-status.js";
import type { PrimaryState } from "./ledger-metrics.js";

export const FILL_METRICS: readonly StateMetric<PrimaryState>[] = [
  ofFills(
    "isochron_fill_missing_events",
    "Events that wait for a row in a space that is filled.",
    (fill) => fill.missing,
  ),
  ofFills(
    "isochron_fill_events_per_second",
    "How fast it goes; 0 where nothing was done in the last minute.",
    (fill) => fill.events_per_second ?? 0,
  ),
  ofFills("isochron_fill_stuck", "1 while it does not go on, such as for want of a model or of room.", (fill) =>
    fill.state === "stuck" ? 1 : 0,
  ),
];

/** By kind too: an order and what the configuration wants later may be of one space. */
function ofFills(name: string, help: string, value: (fill: FillStatus) => number): StateMetric<PrimaryState> {
  return {
    ...{ name, type: "gauge", help, labels: ["space", "kind"] },
    read: ({ status }) =>
      status.vectorize.fills.map((fill): Sample => [{ space: fill.space ?? fill.level, kind: fill.kind }, value(fill)]),
  };
}
