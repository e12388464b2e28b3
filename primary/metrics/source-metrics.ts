// What the primary exports of its event sources, the services of the bus each being one. The states are those of `status`.
import type { Sample, StateMetric } from "../../shared/metrics/state-metrics.js";
import type { SourceState } from "../sources/source.js";
import { conditionOf, droppedByReason, SOURCE_CONDITIONS, type SourceRow, sourceRows } from "../sources/source-rows.js";
import type { PrimaryState } from "./ledger-metrics.js";

export const SOURCE_METRICS: readonly StateMetric<PrimaryState>[] = [
  ofSources(
    "isochron_source_state",
    "gauge",
    "1 for the state the source is in, 0 for the others; `blind` sees nothing of what it should see.",
    ["state"],
    ({ source, state }) => SOURCE_CONDITIONS.map((one) => [{ source, state: one }, Number(conditionOf(state) === one)]),
  ),
  ofCounts("isochron_source_written_events_total", "Events that the source brought to the ledger.", "written"),
  ofCounts("isochron_source_gaps_total", "Times for which the source was blind, and said so in the ledger.", "gaps"),
  ofCounts(
    "isochron_source_losses_total",
    "`loss` events: the source says in the ledger that it lost some, or refused many.",
    "losses",
  ),
  ofCounts("isochron_source_refused_events_total", "Events that clients sent and that were refused.", "refused"),
  ofSources(
    "isochron_source_dropped_events_total",
    "counter",
    "What did not become an event, by reason.",
    ["reason"],
    ({ source, state }) => droppedByReason(state).map(([reason, count]) => [{ source, reason }, count]),
  ),
];

/** A count of the state, for the sources that have it. */
function ofCounts(name: string, help: string, field: string): StateMetric<PrimaryState> {
  const count = ({ [field]: value }: SourceState) => (typeof value === "number" ? value : undefined);
  return ofSources(name, "counter", help, [], ({ source, state }) => [[{ source }, count(state)]]);
}

function ofSources(
  name: string,
  type: StateMetric<PrimaryState>["type"],
  help: string,
  moreLabels: readonly string[],
  read: (row: SourceRow) => Sample[],
): StateMetric<PrimaryState> {
  const labels = ["source", ...moreLabels];
  return { name, type, help, labels, read: ({ status }) => sourceRows(status.sources).flatMap(read) };
}
