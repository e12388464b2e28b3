// What is in force, option by option, with the place that each value comes from: the rows of `config check`. Pure; it
// takes defaults from the schema itself, so that it cannot fall behind it.
import type { z } from "zod";
import { type ConfigLayer, findGiven, formatPath, isGroup, type OptionPath } from "./config-layers.js";
import { describeOptions } from "./describe-options.js";

export interface ExplainedOption {
  /** Dotted name, such as `seal.high_ms` or `replicas[0].host`. */
  name: string;
  /** As the daemon works with it: sizes in bytes, durations in milliseconds. */
  value: unknown;
  /** As it was written, where that is a text and the value a number: `64MiB`, `30s`. */
  written: string | undefined;
  /** `default`, `command line`, `file PATH` or `environment NAME`. */
  origin: string;
}

export function explainConfig(schema: z.ZodType, config: unknown, layers: readonly ConfigLayer[]): ExplainedOption[] {
  const defaults = new Map(describeOptions(schema).map(({ name, defaultJson }) => [name, defaultJson]));
  return [...leavesOf(config, [])].flatMap(([path, value]) => {
    const name = formatPath(path);
    // A group in which nothing is set is no option.
    if (isGroup(value) && !defaults.has(name)) return [];
    const given = findGiven(layers, path);
    const raw = given ? given.value : JSON.parse(defaults.get(name.replace(/\[\d+\]/g, "[]")) ?? "null");
    const written = typeof raw === "string" && typeof value === "number" ? raw : undefined;
    return [{ name, value, written, origin: given?.layer.origin ?? "default" }];
  });
}

/** Options and their values. A list of groups, such as `replicas`, is shown item by item; one of plain values as one. */
function* leavesOf(value: unknown, path: OptionPath): Generator<[OptionPath, unknown]> {
  if (value === undefined) return;
  const inner = isGroup(value)
    ? Object.entries(value)
    : Array.isArray(value) && value.some(isGroup)
      ? [...value.entries()]
      : [];
  if (inner.length === 0) yield [path, value];
  for (const [key, one] of inner) yield* leavesOf(one, [...path, key]);
}
