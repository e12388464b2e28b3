// The levels of quality at which events become vectors. Which space a level makes depends on what this machine has
// (resolve-level.ts).
import type { Priority } from "../format/entry.js";

export const VECTOR_LEVELS = ["none", "heuristic", "low", "medium", "high"] as const;
export type VectorLevel = (typeof VECTOR_LEVELS)[number];
/** A level that makes rows: `none` is the decision to have none. */
export type RowLevel = Exclude<VectorLevel, "none">;
/** A level whose rows a model makes. */
export type ModelLevel = Exclude<RowLevel, "heuristic">;
export type LevelOfPriority = Readonly<Record<Priority, VectorLevel>>;

export const MODEL_LEVELS = ["low", "medium", "high"] as const satisfies readonly ModelLevel[];

/** Names of the models that levels stand for. */
export const DEFAULT_MODELS: Readonly<Record<ModelLevel, string>> = {
  low: "paraphrase-MiniLM-L3-v2",
  medium: "all-MiniLM-L6-v2",
  high: "all-mpnet-base-v2",
};

export function isRowLevel(level: VectorLevel): level is RowLevel {
  return level !== "none";
}

export function isModelLevel(level: VectorLevel): level is ModelLevel {
  return isRowLevel(level) && level !== "heuristic";
}

/** The levels that make rows, each once. */
export function rowLevelsOf(levels: LevelOfPriority): RowLevel[] {
  return [...new Set(Object.values(levels).filter(isRowLevel))];
}
