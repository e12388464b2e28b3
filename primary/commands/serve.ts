// `isochron-primary serve`

import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { runDaemon } from "../../shared/cli/run-daemon.js";
import { loadPrimaryConfig } from "../config.js";
import { servePrimary } from "../serve-primary.js";

export const serve = defineCommand<GlobalArguments>({
  command: "serve",
  describe: "Run the primary: take in events, seal, push",
  builder: (yargs) =>
    yargs.example([
      ["$0 serve --root /var/lib/isochron/primary", "Run until SIGTERM; mounts the loop volume if there is one"],
    ]),
  handler: async (args) => {
    const { config } = await loadPrimaryConfig(args);
    await runDaemon(() => servePrimary(config));
  },
});
