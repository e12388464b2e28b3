// `isochron-replica status`: what is held, and what the queries answer from.
import { askSocket } from "../../shared/cli/ask-socket.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { type Column, formatTable, terminalWidth } from "../../shared/cli/table.js";
import type { EngineStatus, StoreStatus } from "../../shared/query/engine.js";
import type { HeldStatus } from "../agent/replica-stores.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";
import { askAgent } from "./ask-agent.js";

interface StatusArguments extends GlobalArguments {
  json: boolean;
}

interface Row {
  held: HeldStatus;
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
  {
    title: "NOW",
    value: ({ held }) => (held.receiving ? "receiving" : held.wants === "nothing" ? "idle" : `wants ${held.wants}`),
  },
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
    const held = await askAgent<{ stores: HeldStatus[] }>(args, "/v1/status");
    const answered = await askSocket<EngineStatus>({ socketPath: replicaSockets(config).query, path: "/v1/status" });
    if (json) {
      process.stdout.write(`${JSON.stringify({ role: "replica", held: held.stores, answers: answered })}\n`);
      return;
    }
    const rows = held.stores.map((store) => ({
      held: store,
      answered: answered.stores.find(({ store: uuid }) => uuid === store.store),
    }));
    const table = rows.length ? formatTable(rows, COLUMNS, terminalWidth()) : "no store has been received yet";
    process.stdout.write(`${table}\n`);
  },
});

function formatBehind(answered: StoreStatus | undefined): string {
  if (!answered?.behind.known) return "unknown";
  return `${answered.behind.entries}`;
}

function toSeconds(time: string | null): string | undefined {
  return time?.replace(/\.\d+Z$/, "Z");
}
