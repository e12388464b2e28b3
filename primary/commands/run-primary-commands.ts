// The commands of `isochron-primary`, one a line.
import { metricsCommand } from "../../shared/cli/metrics-command.js";
import { queryCommands } from "../../shared/cli/query-commands.js";
import { defineCommand, type GlobalArguments, runCommands } from "../../shared/cli/run-commands.js";
import { type Answerer, nameAnswerer } from "../../shared/query/name-answerer.js";
import { loadPrimaryConfig, primarySockets } from "../config.js";
import { config } from "./config.js";
import { drain, pause, resume } from "./hold-replica.js";
import { ingestCommand } from "./ingest.js";
import { init } from "./init.js";
import { key } from "./key.js";
import { model } from "./model.js";
import { reembed } from "./reembed.js";
import { resync } from "./resync.js";
import { seal } from "./seal.js";
import { serve, serveQueries } from "./serve.js";
import { status } from "./status.js";
import { verify } from "./verify.js";
import { watch } from "./watch.js";

/** Runs the command that `args` name. Sets `process.exitCode`; never throws. */
export async function runPrimaryCommands(args: string[], run = runCommands): Promise<void> {
  await run(
    {
      bin: "isochron-primary",
      summary: "Records what changed on this host in a tamper-evident ledger, and pushes it to replicas.",
      example: ["init --loop 4G --origin host1.example.org/isochron", "Make a store on a volume of its own"],
      commands: [
        init,
        serve,
        serveQueries,
        defineCommand(ingestCommand(ingestSocket)),
        watch,
        ...queryCommands(answerer),
        verify,
        status,
        metricsCommand({ bin: "isochron-primary", socketOf: metricsSocket }),
        seal,
        resync,
        pause,
        resume,
        drain,
        reembed,
        key,
        model,
        config,
      ],
    },
    args,
  );
}

async function ingestSocket(args: GlobalArguments): Promise<string> {
  return primarySockets((await loadPrimaryConfig(args)).config).ingest;
}

async function answerer(args: GlobalArguments): Promise<Answerer> {
  const { config } = await loadPrimaryConfig(args);
  return nameAnswerer("primary", primarySockets(config).query, config.query.user);
}

async function metricsSocket(args: GlobalArguments): Promise<string> {
  return primarySockets((await loadPrimaryConfig(args)).config).metrics;
}
