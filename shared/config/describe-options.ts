// The table of options, printed by `config options`: taken from the schema itself, so that it cannot fall behind it.
import { z } from "zod";

export interface OptionDescription {
  /** Dotted name, such as `seal.high_ms` or `replicas[].host`. */
  name: string;
  /** JSON of the default; `undefined` where the option must be given or has none. */
  defaultJson: string | undefined;
  /** What it does, and its danger. */
  text: string;
}

interface JsonSchema {
  description?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
}

export function describeOptions(schema: z.ZodType): OptionDescription[] {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return [...walk(json, "")];
}

function* walk(schema: JsonSchema, prefix: string): Generator<OptionDescription> {
  for (const [key, option] of Object.entries(schema.properties ?? {})) {
    const name = `${prefix}${key}`;
    const inner = option.properties ? option : option.items?.properties ? option.items : undefined;
    if (option.description !== undefined) {
      yield {
        name,
        defaultJson: option.default === undefined ? undefined : JSON.stringify(option.default),
        text: option.description,
      };
    }
    if (inner) yield* walk(inner, inner === option ? `${name}.` : `${name}[].`);
  }
}
