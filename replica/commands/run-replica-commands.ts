// The commands of `isochron-replica`, one a line. `receive` is among them for its help only: main.ts runs it.
import { metricsCommand } from "../../shared/cli/metrics-command.js";
import { queryCommands } from "../../shared/cli/query-commands.js";
import { defineCommand, type GlobalArguments, runCommands } from "../../shared/cli/run-commands.js";
import { type Answerer, nameAnswerer } from "../../shared/query/name-answerer.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";
import { config } from "./config.js";
import { init } from "./init.js";
import { key } from "./key.js";
import { model } from "./model.js";
import { agentSocketOf, pipeToAgent } from "./receive.js";
import { resync } from "./resync.js";
import { serve, serveQueries } from "./serve.js";
import { status } from "./status.js";
import { trust } from "./trust.js";
import { verify } from "./verify.js";

export async function runReplicaCommands(args: string[], run = runCommands): Promise<void> {
  await run(
    {
      bin: "isochron-replica",
      summary: "Receives the generations of primaries, verifies them, and answers questions about them.",
      example: ["init --loop 4G --trust VKEY", "Make a replica on a volume of its own"],
      commands: [
        init,
        serve,
        serveQueries,
        receive,
        ...queryCommands(answerer),
        verify,
        status,
        metrics,
        resync,
        trust,
        key,
        model,
        config,
      ],
    },
    args,
  );
}

async function answerer(args: GlobalArguments): Promise<Answerer> {
  const { config } = await loadReplicaConfig(args);
  return nameAnswerer("replica", replicaSockets(config).query, config.query.user);
}

const metrics = metricsCommand({
  bin: "isochron-replica",
  socketOf: async (args) => replicaSockets((await loadReplicaConfig(args)).config).metrics,
});

const receive = defineCommand<GlobalArguments & { socket: string | undefined }>({
  command: "receive",
  describe: "The ssh forced command: join the login's stdin and stdout with the running agent",
  builder: (yargs) =>
    yargs
      .option("socket", { type: "string", describe: "The agent's socket; default `<root>/run/agent.sock`" })
      .example([
        [
          'restrict,command="$0 receive" ssh-ed25519 AAAA…',
          "As a line of authorized_keys; `isochron-primary key` prints it",
        ],
      ]),
  handler: () => pipeToAgent(agentSocketOf(process.argv.slice(3), process.env)),
});
