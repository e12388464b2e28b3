// `serve-queries`, the same for both bins.
import type { ServeQueriesOptions } from "../query/serve-queries.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";

export interface ServeQueriesCommandOptions {
  bin: string;
  load(args: GlobalArguments): Promise<ServeQueriesOptions>;
}

export function serveQueriesCommand({ bin, load }: ServeQueriesCommandOptions) {
  return defineCommand<GlobalArguments>({
    command: "serve-queries",
    describe: "Answer queries as a daemon of its own, without privileges, beside `serve` (query.user)",
    builder: (yargs) =>
      yargs.example([
        [
          "setpriv --reuid isochron-query --regid isochron-query --init-groups $0 serve-queries",
          `Run until SIGTERM; ${bin} serve may start before or after it`,
        ],
      ]),
    handler: async (args) => {
      const options = await load(args);
      const [{ runDaemon }, { serveQueries }] = await Promise.all([
        import("./run-daemon.js"),
        import("../query/serve-queries.js"),
      ]);
      await runDaemon(() => serveQueries(options));
    },
  });
}
