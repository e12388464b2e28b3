// `isochron-replica status`: what is held, and what the queries answer from.
import { AskError, askSocket } from "../../shared/cli/ask-socket.js";
import { describeHistory } from "../../shared/cli/describe-history.js";
import { formatFace } from "../../shared/cli/format-face.js";
import { formatMetricsPort } from "../../shared/cli/format-metrics-port.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { type Column, formatTable, terminalWidth } from "../../shared/cli/table.js";
import { visible } from "../../shared/cli/visible.js";
import { formatMebibytes } from "../../shared/config/parse-size.js";
import type { FaceState } from "../../shared/dbus/keep-face.js";
import type { MetricsState } from "../../shared/metrics/serve-metrics.js";
import type { EngineStatus, StoreStatus } from "../../shared/query/engine.js";
import type { HeldStatus } from "../agent/replica-stores.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";
import { askAgent } from "./ask-agent.js";

interface StatusArguments extends GlobalArguments {
  json: boolean;
}

interface AgentStatus {
  stores: HeldStatus[];
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
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print everything as JSON" })
      .example([["$0 status", "Which stores are here, up to where, how far behind"]]),
  handler: async ({ json, ...args }) => {
    const { config } = await loadReplicaConfig(args);
    const held = await askAgent<AgentStatus>(args, "/v1/status");
    const answers = await askEngine(replicaSockets(config).query);
    if (json) {
      const all = {
        role: "replica",
        held: held.stores,
        answers: answers ?? null,
        dbus: held.dbus,
        metrics: held.metrics,
      };
      process.stdout.write(`${JSON.stringify(all)}\n`);
      return;
    }
    const rows = held.stores.map((store) => ({
      held: store,
      answered: answers?.stores.find(({ store: uuid, ready }) => uuid === store.store && ready),
    }));
    const table = rows.length ? formatTable(rows, COLUMNS, terminalWidth()) : "no store has been received yet";
    const lines = [...formatKept(held.stores), formatFace(held.dbus), ...formatMetricsPort(held.metrics).map(visible)];
    process.stdout.write(`${table}\n\n${lines.join("\n")}\n`);
  },
});

/** Undefined when nobody listens: the agent's half is worth having without the engine's, which starts anew when it dies. */
async function askEngine(socketPath: string): Promise<EngineStatus | undefined> {
  try {
    return await askSocket<EngineStatus>({ socketPath, path: "/v1/status" });
  } catch (error) {
    if (error instanceof AskError && (error.code === "nobody-listens" || error.code === "broken-off")) return undefined;
    throw error;
  }
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
  return time?.replace(/\.\d+Z$/, "Z");
}
