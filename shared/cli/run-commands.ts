// What both bins do with their command line: the options every command has, help with an example, completion, and one
// way to report what went wrong. A reader that goes away (`| head`) neither ends a command nor changes its exit code:
// what was to be sent is sent, and a store that was tampered with stays so.
import { resolve } from "node:path";
import yargs, { type Argv, type CommandModule } from "yargs";
import { ConfigError } from "../config/config-error.js";
import { readVersion } from "../read-version.js";
import { reportError } from "./report-error.js";

/**
 * Whatever the shell or the unit says: generations keep the modes of the files they are made of, on replicas too, and who
 * answers queries there may be a user of its own. What is private has a mode of its own, and lies in folders that have.
 */
const READABLE = 0o022;

/** Options that every command has. */
export interface GlobalArguments {
  root?: string;
  config?: string;
}

export interface CommandLine {
  /** `isochron-primary` or `isochron-replica`. */
  bin: string;
  summary: string;
  commands: readonly CommandModule[];
  /** An example for the bin's own help: command line, what it does. */
  example: readonly [string, string];
}

/** A command with typed arguments, in the form that a list of commands can hold. */
export function defineCommand<A>(command: CommandModule<GlobalArguments, A>): CommandModule {
  return command as unknown as CommandModule;
}

/** Runs the command that `args` name. Sets `process.exitCode`; never throws. */
export async function runCommands(line: CommandLine, args: string[]): Promise<void> {
  process.umask(READABLE);
  for (const output of [process.stdout, process.stderr]) output.on("error", onOutputError);
  const parser = commandParser(line, args);
  try {
    await parser.parseAsync();
  } catch (error) {
    const isDaemon = args.some((arg) => commandNamed(arg, line.commands)?.startsWith("serve"));
    reportError(error, isDaemon && needsHand(error) ? NEEDS_HAND : 1);
  }
}

/** Nothing has run yet. */
export function commandParser({ bin, summary, commands, example }: CommandLine, args: string[]): Argv {
  const parser = yargs(args)
    .scriptName(bin)
    .usage(`${summary}\n\nUsage: $0 <command> [options]`)
    .example([[`$0 ${example[0]}`, example[1]]])
    .option("root", { type: "string", describe: "Where the store lies", coerce: resolvePath, global: true })
    .option("config", { type: "string", describe: "Configuration file (YAML)", coerce: resolvePath, global: true })
    .demandCommand(1, "which command?")
    .strict()
    .recommendCommands()
    .completion("completion", "Print a script for shell completion")
    .version(readVersion())
    .alias("h", "help")
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .epilogue(`${bin} <command> --help shows a command's options and an example.`)
    .fail((message, error) => {
      throw error ?? new UsageError(message, bin, commandNamed(args[0], commands));
    });
  for (const command of commands) parser.command(command);
  return parser as unknown as Argv;
}

/** EX_CONFIG of sysexits(3). The units name it in `RestartPreventExitStatus=`. */
const NEEDS_HAND = 78;

/** Whether a restart would meet the same again: a wrong option, a damaged file. What heals by itself is none of it. */
function needsHand(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return (
    error instanceof ConfigError ||
    error instanceof UsageError ||
    code === "corrupt" ||
    code === "unreadable" ||
    code === "invalid"
  );
}

/** Output that cannot be written for another reason, such as a full disk, is a failure; the exit code says which. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") process.exit(process.exitCode || 1);
}

class UsageError extends Error {
  readonly hint: string;
  constructor(message: string, bin: string, command: string | undefined) {
    super(message);
    this.name = "UsageError";
    this.hint = `see \`${[bin, command, "--help"].filter(Boolean).join(" ")}\``;
  }
}

function commandNamed(name: string | undefined, commands: readonly CommandModule[]): string | undefined {
  const names = commands.flatMap(({ command = [] }) => command).map((usage) => usage.split(" ")[0]);
  return names.find((known) => known === name);
}

function resolvePath(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}
