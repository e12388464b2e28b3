// Configuration: one YAML file, environment variables and the command line, read once, validated once, frozen. An option
// that is not known or not right ends the start: a daemon that guessed would be found out months later.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import type { z } from "zod";
import { ConfigError } from "./config-error.js";
import {
  type ConfigLayer,
  findGiven,
  formatPath,
  mergeLayers,
  type OptionGroup,
  type OptionPath,
} from "./config-layers.js";
import {
  type EnvironmentVariable,
  environmentHint,
  type OverriddenVariable,
  readEnvironment,
} from "./environment-options.js";

export interface LoadOptions<T> {
  schema: z.ZodType<T>;
  /** `--config`; it must be there. */
  path?: string | undefined;
  /** Read if it is there and neither `path` nor `ISOCHRON_CONFIG` names another. */
  defaultPath: string;
  /** Options of the command line, which win over the file's. */
  overrides?: Record<string, unknown>;
  /** Variables that set options; the file's win over them. */
  variables?: readonly EnvironmentVariable[];
  env?: NodeJS.ProcessEnv;
}

export interface LoadedConfig<T> {
  config: T;
  /** The file it was read from; `undefined` where there is none. */
  path: string | undefined;
  /** Where values come from, strongest first; what none of them gives has its default. */
  layers: readonly ConfigLayer[];
  /** Set variables that do not count. */
  overridden: readonly OverriddenVariable[];
}

/** @throws ConfigError `missing`, `not-yaml`, `bad-option` */
export async function loadConfig<T>(options: LoadOptions<T>): Promise<LoadedConfig<T>> {
  const { schema, overrides = {}, variables = [], env = process.env } = options;
  const named = options.path ?? (env.ISOCHRON_CONFIG || undefined);
  const text = await readText(named ?? options.defaultPath, named !== undefined);
  const path = text === undefined ? undefined : (named ?? options.defaultPath);
  const given: ConfigLayer[] = [{ origin: "command line", values: overrides }];
  if (path !== undefined) given.push({ origin: `file ${path}`, values: parseYaml(text ?? "", path) });
  const environment = readEnvironment(variables, env, given);
  const layers = [...given, ...environment.layers];
  const parsed = schema.safeParse(mergeLayers(layers), { reportInput: true });
  if (!parsed.success) throw optionError(parsed.error, { layers, path, variables, env });
  return { config: deepFreeze(parsed.data), path, layers, overridden: environment.overridden };
}

async function readText(path: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new ConfigError("missing", `the configuration file ${path} cannot be read: ${(cause as Error).message}`, {
      cause,
      hint: "name another with --config or ISOCHRON_CONFIG, or leave both out to run on defaults",
    });
  }
}

function parseYaml(text: string, path: string): OptionGroup {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new ConfigError("not-yaml", `${path} is not YAML: ${(cause as Error).message}`, { cause });
  }
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as OptionGroup;
  throw new ConfigError("not-yaml", `${path} holds no options: write one a line, \`name: value\``);
}

interface ErrorParts {
  layers: readonly ConfigLayer[];
  path: string | undefined;
  variables: readonly EnvironmentVariable[];
  env: NodeJS.ProcessEnv;
}

/** One line for every option that is wrong, below the place that its value comes from. */
function optionError(error: z.ZodError, { layers, path, variables, env }: ErrorParts): ConfigError {
  const byPlace = new Map<string, string[]>();
  const hints = new Set<string>();
  for (const issue of error.issues) {
    const origin = findGiven(layers, pathOf(issue))?.layer.origin ?? "";
    const variable = variables.find(({ name }) => origin === `environment ${name}`);
    const place = variable ? `${variable.name}=${env[variable.name]}` : origin.replace(/^file /, "") || path;
    hints.add(
      variable
        ? environmentHint(variable.name, variable.options)
        : "`config options` lists every option with its default",
    );
    const lines = byPlace.get(place ?? "the configuration") ?? [];
    byPlace.set(place ?? "the configuration", [...lines, formatIssue(issue)]);
  }
  const message = [...byPlace].map(([place, lines]) => `${place}: ${lines.join("\n  ")}`).join("\n");
  return new ConfigError("bad-option", message, { cause: error, hint: [...hints].join("; ") });
}

function pathOf(issue: z.core.$ZodIssue): OptionPath {
  return issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] as string] : issue.path;
}

function formatIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const names = issue.keys.map((key) => formatPath([...issue.path, key])).join(", ");
    return `${names}: there is no such option`;
  }
  const value = issue.input === undefined ? "missing" : JSON.stringify(issue.input).slice(0, 120);
  return `${formatPath(issue.path) || "the file"}: ${value}: ${issue.message}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
