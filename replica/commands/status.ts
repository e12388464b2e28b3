// `isochron-replica status`: what is held, and what the queries answer from.
import { AskError, askSocket } from "../../shared/cli/ask-socket.js";
import { describeHistory } from "../../shared/cli/describe-history.js";
import { formatAnsweredBy } from "../../shared/cli/format-answered-by.js";
import { formatFace } from "../../shared/cli/format-face.js";
import { formatMetricsPort } from "../../shared/cli/format-metrics-port.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { type Column, formatTable, terminalWidth } from "../../shared/cli/table.js";
import { visible } from "../../shared/cli/visible.js";
import { showStatus, statusOptions } from "../../shared/cli/watch-status.js";
import { formatMebibytes } from "../../shared/config/parse-size.js";
import type { FaceState } from "../../shared/dbus/keep-face.js";
import { wholeSeconds } from "../../shared/format/timestamp.js";
import { joinSignals } from "../../shared/join-signals.js";
import type { MetricsState } from "../../shared/metrics/serve-metrics.js";
import type { EngineStatus, StoreStatus } from "../../shared/query/engine.js";
import type { AnsweredBy } from "../../shared/query/start-queries.js";
import type { HeldStatus } from "../agent/replica-stores.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";
import { askAgent } from "./ask-agent.js";

interface StatusArguments extends GlobalArguments {
  json: boolean;
  watch: number | undefined;
}

interface ReplicaStatus {
  role: "replica";
  held: HeldStatus[];
  /** Null while nobody answers on query.sock. */
  answers: EngineStatus | null;
  /** Who answers. */
  queries: AnsweredBy;
  dbus: FaceState | null;
  metrics: MetricsState;
}

interface AgentStatus {
  stores: HeldStatus[];
  queries: AnsweredBy;
  dbus: FaceState | null;
  metrics: MetricsState;
}

interface Row {
  held: HeldStatus;
  /** Undefined while the index catches up: nothing is answered then. */
  answered: StoreStatus | undefined;
}

const COLUMNS: Column<Row>[] = [
  { title: "ORIGIN", value: ({ held }) => held.origin, shrink: true },
  { title: "STORE", value: ({ held }) => held.store, shrink: true },
  { title: "GENERATION", value: ({ held }) => String(held.generation), right: true },
  { title: "ENTRIES", value: ({ held }) => String(held.size), right: true },
  { title: "ANSWERED", value: ({ answered }) => String(answered?.size ?? "-"), right: true },
  { title: "BEHIND", value: ({ answered }) => formatBehind(answered), right: true },
  { title: "LAST ACK", value: ({ held }) => toSeconds(held.last_ack) ?? "not since the start" },
  { title: "NOW", value: ({ held }) => describeNow(held), shrink: true },
];

export const status = defineCommand<StatusArguments>({
  command: "status",
  describe: "Stores of the running replica, and how far behind their primaries they are",
  builder: (yargs) =>
    statusOptions(yargs).example([
      ["$0 status", "Which stores are here, up to where, how far behind"],
      ["$0 status --watch 5", "The same, again every five seconds"],
    ]),
  handler: async ({ json, watch, ...args }) => {
    await showStatus({ ask: (signal) => askReplica(args, signal), format: formatStatus }, { json, watch });
  },
});

async function askReplica(args: GlobalArguments, signal: AbortSignal): Promise<ReplicaStatus> {
  const { config } = await loadReplicaConfig(args);
  const { stores, queries, dbus, metrics } = await askAgent<AgentStatus>(args, "/v1/status", undefined, signal);
  const answers = await askEngine(replicaSockets(config).query, signal);
  return { role: "replica", held: stores, answers: answers ?? null, queries, dbus, metrics };
}

function formatStatus({ held, answers, queries, dbus, metrics }: ReplicaStatus): string {
  const rows = held.map((store) => ({
    held: store,
    answered: answers?.stores.find(({ store: uuid, ready }) => uuid === store.store && ready),
  }));
  const table = rows.length ? formatTable(rows, COLUMNS, terminalWidth()) : "no store has been received yet";
  const asked = formatAnsweredBy(queries, "replica").map(visible);
  const lines = [...formatKept(held), ...asked, formatFace(dbus), ...formatMetricsPort(metrics).map(visible)];
  return `${table}\n\n${lines.join("\n")}`;
}

/** systemd keeps the questions to a service that is away; this is not the place to wait for it. */
const ENGINE_WITHIN_MS = 5000;

/** Undefined when nobody answers: the agent's half is worth having without the engine's, which starts anew when it dies. */
async function askEngine(socketPath: string, signal: AbortSignal): Promise<EngineStatus | undefined> {
  return joinSignals({ signals: [signal], withinMs: ENGINE_WITHIN_MS }, async (limit) => {
    try {
      return await askSocket<EngineStatus>({ socketPath, path: "/v1/status", signal: limit });
    } catch (error) {
      if (limit.aborted && !signal.aborted) return undefined;
      if (error instanceof AskError && (error.code === "nobody-listens" || error.code === "broken-off"))
        return undefined;
      throw error;
    }
  });
}

/** A line only for stores of which more than the current one is kept. */
function formatKept(stores: readonly HeldStatus[]): string[] {
  const withHistory = stores.filter(({ kept }) => kept.length > 1);
  return withHistory.map(({ origin, kept }) => visible(`kept      ${describeHistory(kept)}, of ${origin}`));
}

function describeNow({ receiving, damage, wants, partial }: HeldStatus): string {
  if (receiving) return "receiving";
  const idle = partial ? `keeps ${formatMebibytes(partial.bytes)} of generation ${partial.generation}, cut` : "idle";
  const asked = wants === "nothing" ? idle : `wants ${wants}`;
  return damage === null ? asked : `${asked}, damaged: ${damage}`;
}

function formatBehind(answered: StoreStatus | undefined): string {
  if (!answered?.behind.known) return "unknown";
  return `${answered.behind.entries}`;
}

function toSeconds(time: string | null): string | undefined {
  return time === null ? undefined : wholeSeconds(time);
}
