// `isochron-replica serve` and `serve-queries`. What only a daemon needs is loaded when it is to run: the other commands start twice as fast.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { serveQueriesCommand } from "../../shared/cli/serve-queries-command.js";
import { createLogger } from "../../shared/log.js";
import { loadReplicaConfig, replicaSockets } from "../config.js";

export const serve = defineCommand<GlobalArguments>({
  command: "serve",
  describe: "Run the replica: receive, verify, promote, answer",
  builder: (yargs) =>
    yargs.example([
      ["$0 serve --root /var/lib/isochron/replica", "Run until SIGTERM; mounts the loop volume if there is one"],
    ]),
  handler: async (args) => {
    const { config } = await loadReplicaConfig(args);
    const [{ runDaemon }, { serveReplica }] = await Promise.all([
      import("../../shared/cli/run-daemon.js"),
      import("../serve-replica.js"),
    ]);
    await runDaemon(() => serveReplica(config));
  },
});

export const serveQueries = serveQueriesCommand({
  bin: "isochron-replica",
  load: async (args) => {
    const { config } = await loadReplicaConfig(args);
    const { query, feed } = replicaSockets(config);
    return {
      root: config.root,
      socketPath: query,
      feedPath: feed,
      indexProcesses: config.index.processes,
      daemon: "replica",
      user: config.query.user,
      log: createLogger(config.log_level),
    };
  },
});
