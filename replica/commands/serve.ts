// `isochron-replica serve`. What only a daemon needs is loaded when it is to run: the other commands start twice as fast.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaConfig } from "../config.js";

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
