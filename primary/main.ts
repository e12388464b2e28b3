#!/usr/bin/env node
// The bin `isochron-primary`: its commands, one a line.
import { metricsCommand } from "../shared/cli/metrics-command.js";
import { queryCommands } from "../shared/cli/query-commands.js";
import { defineCommand, type GlobalArguments, runCommands } from "../shared/cli/run-commands.js";
import { config } from "./commands/config.js";
import { drain, pause, resume } from "./commands/hold-replica.js";
import { ingestCommand } from "./commands/ingest.js";
import { init } from "./commands/init.js";
import { key } from "./commands/key.js";
import { model } from "./commands/model.js";
import { reembed } from "./commands/reembed.js";
import { resync } from "./commands/resync.js";
import { seal } from "./commands/seal.js";
import { serve } from "./commands/serve.js";
import { status } from "./commands/status.js";
import { verify } from "./commands/verify.js";
import { watch } from "./commands/watch.js";
import { loadPrimaryConfig, primarySockets } from "./config.js";

await runCommands(
  {
    bin: "isochron-primary",
    summary: "Records what changed on this host in a tamper-evident ledger, and pushes it to replicas.",
    example: ["init --loop 4G --origin host1.example.org/isochron", "Make a store on a volume of its own"],
    commands: [
      init,
      serve,
      defineCommand(ingestCommand(ingestSocket)),
      watch,
      ...queryCommands(querySocket),
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
  process.argv.slice(2),
);

async function ingestSocket(args: GlobalArguments): Promise<string> {
  return primarySockets((await loadPrimaryConfig(args)).config).ingest;
}

async function querySocket(args: GlobalArguments): Promise<string> {
  return primarySockets((await loadPrimaryConfig(args)).config).query;
}

async function metricsSocket(args: GlobalArguments): Promise<string> {
  return primarySockets((await loadPrimaryConfig(args)).config).metrics;
}
