// The places that values of options come from, strongest first: the command line, the file, environment variables. An
// option has the value of the first that gives it. Groups are merged; a list is taken whole from one place.

export type OptionPath = readonly PropertyKey[];
export type OptionGroup = Record<string, unknown>;

export interface ConfigLayer {
  /** `command line`, `file PATH` or `environment NAME`. */
  origin: string;
  values: OptionGroup;
}

export interface GivenValue {
  layer: ConfigLayer;
  /** As it was written; undefined where it is part of a short form, such as `keep: hourly 24`. */
  value: unknown;
}

export function mergeLayers(layers: readonly ConfigLayer[]): OptionGroup {
  return layers.reduceRight<OptionGroup>((weaker, { values }) => mergeGroups(values, weaker), {});
}

/** What gives the option its value; undefined where nothing does, and its default is in force. */
export function findGiven(layers: readonly ConfigLayer[], path: OptionPath): GivenValue | undefined {
  for (const layer of layers) {
    const { value, inside } = valueAt(layer.values, path);
    if (value !== undefined || inside === "value") return { layer, value };
    if (inside === "list") return undefined;
  }
  return undefined;
}

/** `seal.high_ms`, `replicas[0].host`. */
export function formatPath(path: OptionPath): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : `${text && "."}${String(part)}`;
  return text;
}

export function isGroup(value: unknown): value is OptionGroup {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mergeGroups(stronger: OptionGroup, weaker: OptionGroup): OptionGroup {
  const merged = new Map(Object.entries(weaker));
  for (const [key, value] of Object.entries(stronger)) {
    if (value === undefined) continue;
    const under = merged.get(key);
    merged.set(key, isGroup(value) && isGroup(under) ? mergeGroups(value, under) : value);
  }
  // Not by assignment: a file's `__proto__` must stay an option, to be refused as one.
  return Object.fromEntries(merged);
}

interface Place {
  value: unknown;
  /** Whether the path leads into a list or a single value: nothing of weaker places is merged into either. */
  inside: "groups" | "list" | "value";
}

function valueAt(values: OptionGroup, path: OptionPath): Place {
  let at: unknown = values;
  let inside: Place["inside"] = "groups";
  for (const part of path) {
    if (at === undefined) break;
    if (typeof at !== "object" || at === null) return { value: undefined, inside: "value" };
    if (Array.isArray(at)) inside = "list";
    at = Object.hasOwn(at, part) ? Reflect.get(at, part) : undefined;
  }
  return { value: at, inside };
}
