// Environment variables that set options. They are the weakest place that values come from: the file wins over them, and
// the command line over both. A variable that is empty counts as not set.
import { ConfigError } from "./config-error.js";
import { type ConfigLayer, findGiven, type OptionGroup } from "./config-layers.js";

export interface EnvironmentVariable {
  name: string;
  /** Dotted names of all options that it sets. */
  options: readonly string[];
  /** The value of each option, in the order of `options`. @throws Error that says what the variable may be */
  read(text: string): readonly unknown[];
}

/** An option that a variable would set, if a stronger place did not. */
export interface OverriddenVariable {
  name: string;
  text: string;
  option: string;
  /** What wins: `file PATH` or `command line`. */
  by: string;
}

export interface EnvironmentRead {
  layers: ConfigLayer[];
  overridden: OverriddenVariable[];
}

/** @throws ConfigError `bad-option`, unless the variable is overridden in everything that it sets */
export function readEnvironment(
  variables: readonly EnvironmentVariable[],
  env: NodeJS.ProcessEnv,
  stronger: readonly ConfigLayer[],
): EnvironmentRead {
  const found: EnvironmentRead = { layers: [], overridden: [] };
  for (const variable of variables) {
    const { name, options } = variable;
    const text = env[name] ?? "";
    if (text === "") continue;
    const overridden = options.flatMap((option) => {
      const given = findGiven(stronger, option.split("."));
      return given ? [{ name, text, option, by: given.layer.origin }] : [];
    });
    found.overridden.push(...overridden);
    if (overridden.length < options.length) found.layers.push(readVariable(variable, text));
  }
  return found;
}

function readVariable(variable: EnvironmentVariable, text: string): ConfigLayer {
  const { name, options } = variable;
  try {
    const values: OptionGroup = {};
    for (const [index, value] of variable.read(text).entries()) put(values, options[index] as string, value);
    return { origin: `environment ${name}`, values };
  } catch (cause) {
    throw new ConfigError("bad-option", `${name}=${text}: ${(cause as Error).message}`, {
      cause,
      hint: environmentHint(name, options),
    });
  }
}

/** The way out where a variable has a value that it may not have. */
export function environmentHint(name: string, options: readonly string[]): string {
  return `change or unset the environment variable ${name}; ${options.join(" and ")} in the configuration file would win over it`;
}

function put(values: OptionGroup, option: string, value: unknown): void {
  const names = option.split(".");
  const last = names.pop() as string;
  let group = values;
  for (const name of names) {
    group[name] ??= {};
    group = group[name] as OptionGroup;
  }
  group[last] = value;
}
