// Configuration: one YAML file, read once, validated once, frozen. An option that is not known or not right ends the
// start: a daemon that guessed would be found out months later.
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import type { z } from "zod";
import { ConfigError } from "./config-error.js";

export interface LoadOptions<T> {
  schema: z.ZodType<T>;
  /** `--config`; it must be there. */
  path?: string | undefined;
  /** Read if it is there and neither `path` nor `ISOCHRON_CONFIG` names another. */
  defaultPath: string;
  /** Options of the command line, which win over the file's. */
  overrides?: Record<string, unknown>;
  env?: NodeJS.ProcessEnv;
}

export interface LoadedConfig<T> {
  config: T;
  /** The file it was read from; `undefined` where every option has its default. */
  path: string | undefined;
}

/** @throws ConfigError `missing`, `not-yaml`, `bad-option` */
export async function loadConfig<T>(options: LoadOptions<T>): Promise<LoadedConfig<T>> {
  const { schema, overrides = {}, env = process.env } = options;
  const named = options.path ?? (env.ISOCHRON_CONFIG || undefined);
  const text = await readText(named ?? options.defaultPath, named !== undefined);
  const path = text === undefined ? undefined : (named ?? options.defaultPath);
  const values = { ...parseYaml(text ?? "", path ?? ""), ...withoutUndefined(overrides) };
  const parsed = schema.safeParse(values, { reportInput: true });
  if (!parsed.success) throw optionError(parsed.error, path ?? "the command line");
  return { config: deepFreeze(parsed.data), path };
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

function parseYaml(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new ConfigError("not-yaml", `${path} is not YAML: ${(cause as Error).message}`, { cause });
  }
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigError("not-yaml", `${path} holds no options: write one a line, \`name: value\``);
}

function withoutUndefined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** One line for every option that is wrong. */
function optionError(error: z.ZodError, where: string): ConfigError {
  const lines = error.issues.map((issue) => {
    const option = formatOption(issue.path);
    if (issue.code === "unrecognized_keys") {
      const names = issue.keys.map((key) => formatOption([...issue.path, key])).join(", ");
      return `${names}: there is no such option`;
    }
    const value = issue.input === undefined ? "missing" : JSON.stringify(issue.input).slice(0, 120);
    return `${option}: ${value}: ${issue.message}`;
  });
  return new ConfigError("bad-option", `${where}: ${lines.join("\n  ")}`, {
    cause: error,
    hint: "`config options` lists every option with its default",
  });
}

function formatOption(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : `${text && "."}${String(part)}`;
  return text || "the file";
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
