// `metrics`, the same for both bins: prints what a scrape of the running daemon gives.
import { METRICS_PATH } from "../metrics/serve-metrics.js";
import { askSocketText } from "./ask-socket.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";

export interface MetricsCommandOptions {
  bin: string;
  socketOf(args: GlobalArguments): Promise<string>;
}

export function metricsCommand({ bin, socketOf }: MetricsCommandOptions) {
  return defineCommand<GlobalArguments>({
    command: "metrics",
    describe: "Print the running daemon's metrics in the text format of Prometheus",
    builder: (yargs) =>
      yargs.example([
        ["$0 metrics", "What a scrape gives"],
        [`$0 metrics > ${bin}.prom.new && mv ${bin}.prom.new ${bin}.prom`, "For node_exporter's textfile collector"],
      ]),
    handler: async (args) => {
      const socketPath = await socketOf(args);
      process.stdout.write(await askSocketText({ socketPath, path: METRICS_PATH, startedBy: `${bin} serve` }));
    },
  });
}
