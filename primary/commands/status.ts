// `isochron-primary status`: once, or with `--watch` again and again.
import { describeHistory } from "../../shared/cli/describe-history.js";
import { formatAnsweredBy } from "../../shared/cli/format-answered-by.js";
import { formatFace } from "../../shared/cli/format-face.js";
import { formatMetricsPort } from "../../shared/cli/format-metrics-port.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { type Column, formatTable, terminalWidth } from "../../shared/cli/table.js";
import { visible } from "../../shared/cli/visible.js";
import { showStatus, statusOptions } from "../../shared/cli/watch-status.js";
import { formatRate } from "../../shared/config/parse-rate.js";
import { formatMebibytes } from "../../shared/config/parse-size.js";
import { PRIORITIES } from "../../shared/format/entry.js";
import { wholeSeconds } from "../../shared/format/timestamp.js";
import type { PrimaryStatus, VectorizeStatus } from "../answer-operator.js";
import type { BusState } from "../bus/event-bus.js";
import type { LinkStatus } from "../push/link-status.js";
import type { SealScheduleState } from "../seal/schedule-seals.js";
import { askControl } from "./ask-control.js";
import { formatSeconds, rounded } from "./follow-order.js";
import { formatFill } from "./format-fill.js";
import { formatSources } from "./format-sources.js";

interface StatusArguments extends GlobalArguments {
  json: boolean;
  watch: number | undefined;
}

const REPLICA_COLUMNS: Column<LinkStatus>[] = [
  { title: "REPLICA", value: ({ name }) => name },
  { title: "HEALTH", value: ({ health }) => health },
  { title: "GENERATION", value: ({ generation }) => String(generation ?? "-"), right: true },
  { title: "ENTRIES", value: ({ size }) => String(size ?? "-"), right: true },
  { title: "LAST ACK", value: ({ last_ack: ack }) => (ack === null ? "never" : wholeSeconds(ack)) },
  { title: "LAST PUSH", value: formatPush },
  { title: "LINK", value: formatBandwidth, right: true },
  { title: "WHY", value: ({ reason, hint }) => (hint ? `${reason} (${hint})` : reason), shrink: true },
];

export const status = defineCommand<StatusArguments>({
  command: "status",
  describe: "Ledger, backlog, sources and replicas of the running primary",
  builder: (yargs) =>
    statusOptions(yargs).example([
      ["$0 status", "Is everything sealed, and does every replica have it?"],
      ["$0 status --watch", "The same, kept up to date: pushes with bytes, rate and time left"],
    ]),
  handler: async ({ json, watch, ...args }) => {
    const ask = (signal: AbortSignal) => askControl<PrimaryStatus>(args, "/v1/status", undefined, signal);
    await showStatus({ ask, format: formatStatus }, { json, watch });
  },
});

function formatStatus(status: PrimaryStatus): string {
  const { ledger, backlog, volume } = status;
  const lines = [
    `origin    ${status.origin}  store ${status.store}`,
    `ledger    ${ledger.size} entries, ${ledger.sealed} sealed in generation ${ledger.generation}`,
    ...formatKept(status.kept),
    ...(status.next_vkey ? [`key       ${UNDER_WAY}`] : []),
    `backlog   ${backlog.ledger} events wait for the ledger, ${backlog.vectors} for their vector`,
    formatSeals(status.seals),
    formatBus(status.bus),
    ...formatAnsweredBy(status.queries, "primary"),
    formatVectorizing(status.vectorize),
    ...formatFaults(status.vectorize),
    ...status.vectorize.fills.map((fill) => `fill      ${formatFill(fill)}`),
    `volume    ${formatMebibytes(volume.free_bytes)} free of ${formatMebibytes(volume.total_bytes)}`,
    formatFace(status.dbus),
    ...formatMetricsPort(status.metrics),
  ];
  const sources = formatSources(status.sources, terminalWidth());
  const replicas = status.replicas.length
    ? formatTable(status.replicas, REPLICA_COLUMNS, terminalWidth())
    : "no replicas are configured";
  return `${lines.map(visible).join("\n")}\n\n${sources}\n\n${replicas}`;
}

const UNDER_WAY = "the next one is prepared and signs beside the old one, until `isochron-primary key rotate --commit`";

/** A line only where there is more than the current one. */
function formatKept(kept: PrimaryStatus["kept"]): string[] {
  return kept.length > 1 ? [`kept      ${describeHistory(kept)}`] : [];
}

function formatSeals({ setting, waiting, due, running }: SealScheduleState): string {
  const now = running ? "one runs now, " : "";
  return `seals     ${setting}; ${now}${due === null ? "nothing waits" : `events waiting: ${waiting}, due at ${due}`}`;
}

function formatBus({ history, interceptors, subscribers }: BusState): string {
  const lost = subscribers.reduce((sum, one) => sum + one.lost, 0);
  const failures = [...interceptors, ...subscribers].reduce((sum, one) => sum + one.failures, 0);
  const troubles = [
    ...(lost > 0 ? [`${lost} events lost to slow ones`] : []),
    ...(failures > 0 ? [`${failures} failures`] : []),
  ];
  return [`bus       ${history.events} events in memory, ${subscribers.length} subscribers`, ...troubles].join(", ");
}

function formatVectorizing({ level, levels, backlog, late, critical_deadline_ms, workers }: VectorizeStatus): string {
  const others = PRIORITIES.filter((priority) => levels[priority] !== level);
  const waiting = PRIORITIES.filter((priority) => backlog[priority] > 0);
  const parts = [
    `level ${[level, ...others.map((priority) => `${priority} ${levels[priority]}`)].join(", ")}`,
    ...(waiting.length > 0 ? [`waiting ${waiting.map((one) => `${backlog[one]} ${one}`).join(", ")}`] : []),
    critical_deadline_ms > 0 ? `critical deadline ${critical_deadline_ms} ms` : "no critical deadline",
    ...(late.since_start > 0 ? [`${late.since_start} sealed without, ${late.waiting} of them yet to follow`] : []),
    ...(workers.deaths > 0 ? [`${workers.deaths} worker deaths`] : []),
    ...(workers.outgrown > 0 ? [`${workers.outgrown} workers replaced for their size`] : []),
    ...(workers.degraded > 0 ? [`${workers.degraded} embedded without their state`] : []),
  ];
  return `vectors   ${parts.join("; ")}`;
}

/** A line for each level that is not in force. */
function formatFaults({ in_force: levels }: VectorizeStatus): string[] {
  return levels.flatMap(({ level, in_force, fault }) =>
    fault ? [`          level ${level} fell back to ${in_force}: ${fault.message} (${fault.hint})`] : [],
  );
}

function formatPush({ last_push: push, pushing }: LinkStatus): string {
  if (!pushing) return push ? `${push.kind}, ${push.bytes} B in ${push.ms} ms (${push.codec})` : "-";
  const {
    kind,
    bytes,
    total_bytes: total,
    bytes_per_second: rate,
    seconds_left: left,
    resumed_bytes: resumed,
  } = pushing;
  const of = total === null ? "" : ` of ${rounded(total)}`;
  const time = left === null ? "" : `, ${formatSeconds(left)} left`;
  const before = resumed > 0 ? `, after ${rounded(resumed)} that were there` : "";
  return `${kind} under way, ${rounded(bytes)}${of} at ${rounded(rate)}/s${time}${before}`;
}

/** What is known of its speed: measured, at least, or measured too long ago to count. */
function formatBandwidth({ bandwidth: { state, bits_per_second: rate, at_least: atLeast } }: LinkStatus): string {
  if (rate === null) return "-";
  return `${atLeast ? ">= " : ""}${formatRate(rate)}${state === "stale" ? "?" : ""}`;
}
