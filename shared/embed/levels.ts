// The levels of quality at which events become vectors, and how each is made. A new level is a line in `EMBEDDERS`: its
// space, and how a batch of events becomes vectors of it. Vectors of two levels are in two spaces and never compared.
import type { JsonValue } from "../format/canonical-json.js";
import type { Entry, Priority } from "../format/entry.js";
import type { Space } from "../format/space.js";
import { embedHeuristic, heuristicSpace } from "./heuristic.js";

export const VECTOR_LEVELS = ["none", "heuristic"] as const;
export type VectorLevel = (typeof VECTOR_LEVELS)[number];
/** A level that makes rows: `none` is the decision to have none. */
export type RowLevel = Exclude<VectorLevel, "none">;
export type LevelOfPriority = Readonly<Record<Priority, VectorLevel>>;

export interface EventToEmbed {
  entry: Pick<Entry, "action" | "element_id" | "element_type" | "timestamp">;
  /** Its parsed `state_snapshot`. */
  state: JsonValue;
}

export interface Embedder {
  space: Space;
  /** One vector for each event, in their order, each of the space's dimensions and finite. */
  embed(events: readonly EventToEmbed[]): Float32Array[] | Promise<Float32Array[]>;
}

const EMBEDDERS: Readonly<Record<RowLevel, Embedder>> = {
  heuristic: {
    space: heuristicSpace,
    embed: (events) => events.map(({ entry, state }) => embedHeuristic(entry, state)),
  },
};

export function embedderOf(level: RowLevel): Embedder {
  return EMBEDDERS[level];
}

export function isRowLevel(level: VectorLevel): level is RowLevel {
  return level !== "none";
}

/** The levels that make rows, each once. */
export function rowLevelsOf(levels: LevelOfPriority): RowLevel[] {
  return [...new Set(Object.values(levels).filter(isRowLevel))];
}
