// `config check` and `config options`, the same for both bins.
import type { CommandModule } from "yargs";
import type { z } from "zod";
import { defineCommand, type GlobalArguments } from "../cli/run-commands.js";
import { type Column, formatTable } from "../cli/table.js";
import { visible } from "../cli/visible.js";
import { describeOptions, type OptionDescription } from "./describe-options.js";
import { type ExplainedOption, explainConfig } from "./explain-config.js";
import type { LoadedConfig } from "./load-config.js";

export interface ConfigCommandOptions<T> {
  schema: z.ZodType;
  load(args: GlobalArguments): Promise<LoadedConfig<T>>;
  /** What is in force only in part on this machine, each with what cures it. */
  advise?: (config: T) => Promise<string[]>;
}

export function configCommand<T>(options: ConfigCommandOptions<T>): CommandModule {
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

function checkCommand<T>({ schema, load, advise }: ConfigCommandOptions<T>): CommandModule {
  return defineCommand<GlobalArguments & { json: boolean }>({
    command: "check",
    describe: "Validate the configuration and print what is in force, and where each value comes from",
    builder: (yargs) =>
      yargs
        .option("json", { type: "boolean", default: false, describe: "Print JSON; sizes are bytes, durations ms" })
        .example([
          ["$0 config check | grep -v ' default '", "What is not at its default"],
          ["$0 config check --json", "The configuration in force, for programs"],
        ]),
    handler: async (args) => {
      const loaded = await load(args);
      const options = explainConfig(schema, loaded.config, loaded.layers);
      const advice = (await advise?.(loaded.config)) ?? [];
      process.stdout.write(args.json ? formatJson(loaded, options, advice) : formatText(loaded, options, advice));
    },
  });
}

function formatJson(
  { path, overridden }: LoadedConfig<unknown>,
  explained: ExplainedOption[],
  advice: readonly string[],
): string {
  const options = Object.fromEntries(explained.map(({ name, ...rest }) => [name, rest]));
  return `${JSON.stringify({ path: path ?? null, options, overridden, advice })}\n`;
}

const COLUMNS: Column<ExplainedOption>[] = [
  { title: "OPTION", value: ({ name }) => name },
  { title: "FROM", value: ({ origin }) => origin },
  { title: "VALUE", value: ({ value, written }) => written ?? formatValue(value) },
];

/** The values last and never cut: whoever looks for one must find it with `grep`. */
function formatText(
  { path, overridden }: LoadedConfig<unknown>,
  explained: ExplainedOption[],
  advice: readonly string[],
): string {
  const notes = overridden.map(({ name, text, option, by }) =>
    visible(`environment ${name}=${text} is overridden for ${option} by ${by}`),
  );
  const file = path === undefined ? "no configuration file" : visible(path);
  return [`# ${file}`, formatTable(explained, COLUMNS), ...notes, ...advice.map((line) => visible(line)), ""].join(
    "\n",
  );
}

function formatValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function optionsCommand({ schema }: Pick<ConfigCommandOptions<unknown>, "schema">): CommandModule {
  return defineCommand<GlobalArguments & { json: boolean }>({
    command: "options",
    describe: "List every option with its default and its danger, as a Markdown table",
    builder: (yargs) =>
      yargs
        .option("json", { type: "boolean", default: false, describe: "Print a JSON line for each option" })
        .example([["$0 config options | grep seal", "The options that say when generations are sealed"]]),
    handler: ({ json }) => {
      const options = describeOptions(schema);
      const lines = json ? options.map((option) => JSON.stringify(option)) : formatMarkdown(options);
      process.stdout.write(`${lines.join("\n")}\n`);
    },
  });
}

function formatMarkdown(options: OptionDescription[]): string[] {
  const rows = options.map(({ name, defaultJson, text }) => {
    return `| \`${name}\` | ${defaultJson === undefined ? "" : `\`${defaultJson}\``} | ${text} |`;
  });
  return ["| option | default | what it does |", "|---|---|---|", ...rows];
}
