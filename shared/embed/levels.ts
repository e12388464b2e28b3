// The levels of quality at which events become vectors. Which space a level makes is decided at the start, by what this
// machine has (resolve-level.ts).
import type { Priority } from "../format/entry.js";

export const VECTOR_LEVELS = ["none", "heuristic"] as const;
export type VectorLevel = (typeof VECTOR_LEVELS)[number];
/** A level that makes rows: `none` is the decision to have none. */
export type RowLevel = Exclude<VectorLevel, "none">;
export type LevelOfPriority = Readonly<Record<Priority, VectorLevel>>;

export function isRowLevel(level: VectorLevel): level is RowLevel {
  return level !== "none";
}

/** The levels that make rows, each once. */
export function rowLevelsOf(levels: LevelOfPriority): RowLevel[] {
  return [...new Set(Object.values(levels).filter(isRowLevel))];
}
