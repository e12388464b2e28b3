// `isochron-primary serve` and `serve-queries`. What only a daemon needs is loaded when it is to run: the other commands start twice as fast.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { serveQueriesCommand } from "../../shared/cli/serve-queries-command.js";
import { createLogger } from "../../shared/log.js";
import { loadPrimaryConfig, primarySockets, QUERY_NICENESS } from "../config.js";

export const serve = defineCommand<GlobalArguments>({
  command: "serve",
  describe: "Run the primary: take in events, seal, push",
  builder: (yargs) =>
    yargs.example([
      ["$0 serve --root /var/lib/isochron/primary", "Run until SIGTERM; mounts the loop volume if there is one"],
    ]),
  handler: async (args) => {
    const { config } = await loadPrimaryConfig(args);
    const [{ runDaemon }, { servePrimary }] = await Promise.all([
      import("../../shared/cli/run-daemon.js"),
      import("../serve-primary.js"),
    ]);
    await runDaemon(() => servePrimary(config));
  },
});

export const serveQueries = serveQueriesCommand({
  bin: "isochron-primary",
  load: async (args) => {
    const { config } = await loadPrimaryConfig(args);
    const { query, feed } = primarySockets(config);
    return {
      root: config.root,
      socketPath: query,
      feedPath: feed,
      indexProcesses: config.index.processes,
      daemon: "primary",
      niceness: QUERY_NICENESS,
      user: config.query.user,
      log: createLogger(config.log_level),
    };
  },
});
