// `config check` and `config options`, the same for both bins.
import { stringify } from "yaml";
import type { CommandModule } from "yargs";
import type { z } from "zod";
import { defineCommand, type GlobalArguments } from "../cli/run-commands.js";
import { describeOptions, type OptionDescription } from "./describe-options.js";
import type { LoadedConfig } from "./load-config.js";

export interface ConfigCommandOptions {
  schema: z.ZodType;
  load(args: GlobalArguments): Promise<LoadedConfig<unknown>>;
}

export function configCommand(options: ConfigCommandOptions): CommandModule {
  return defineCommand({
    command: "config",
    describe: "Check the configuration, or list every option",
    builder: (yargs) =>
      yargs
        .command(checkCommand(options))
        .command(optionsCommand(options))
        .demandCommand(1, "check or options?")
        .example([["$0 config check --config ./new.yaml", "See what would be in force with a new file"]]),
    handler: () => {},
  });
}

function checkCommand({ load }: ConfigCommandOptions): CommandModule {
  return defineCommand<GlobalArguments & { json: boolean }>({
    command: "check",
    describe: "Validate the configuration and print what is in force",
    builder: (yargs) =>
      yargs
        .option("json", { type: "boolean", default: false, describe: "Print JSON" })
        .example([["$0 config check --json", "The configuration in force, for programs"]]),
    handler: async (args) => {
      const { config, path } = await load(args);
      const text = args.json
        ? `${JSON.stringify({ path: path ?? null, config })}\n`
        : `# ${path ?? "defaults: no configuration file"}\n${stringify(config)}`;
      process.stdout.write(text);
    },
  });
}

function optionsCommand({ schema }: ConfigCommandOptions): CommandModule {
  return defineCommand<GlobalArguments & { json: boolean }>({
    command: "options",
    describe: "List every option with its default and its danger, as a Markdown table",
    builder: (yargs) =>
      yargs
        .option("json", { type: "boolean", default: false, describe: "Print a JSON line for each option" })
        .example([["$0 config options | grep seal", "The options that say when generations are sealed"]]),
    handler: ({ json }) => {
      const options = describeOptions(schema);
      const lines = json ? options.map((option) => JSON.stringify(option)) : formatTable(options);
      process.stdout.write(`${lines.join("\n")}\n`);
    },
  });
}

function formatTable(options: OptionDescription[]): string[] {
  const rows = options.map(({ name, defaultJson, text }) => {
    return `| \`${name}\` | ${defaultJson === undefined ? "" : `\`${defaultJson}\``} | ${text} |`;
  });
  return ["| option | default | what it does |", "|---|---|---|", ...rows];
}
