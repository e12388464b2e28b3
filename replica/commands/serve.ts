// `isochron-replica serve`

import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { runDaemon } from "../../shared/cli/run-daemon.js";
import { loadReplicaConfig } from "../config.js";
import { serveReplica } from "../serve-replica.js";

export const serve = defineCommand<GlobalArguments>({
  command: "serve",
  describe: "Run the replica: receive, verify, promote, answer",
  builder: (yargs) =>
    yargs.example([
      ["$0 serve --root /var/lib/isochron/replica", "Run until SIGTERM; mounts the loop volume if there is one"],
    ]),
  handler: async (args) => {
    const { config } = await loadReplicaConfig(args);
    await runDaemon(() => serveReplica(config));
  },
});
