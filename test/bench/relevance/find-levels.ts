// The levels that the `relevance` bench can measure here. A model level needs its model beside the project and the runtime;
// without them it is left out, and the reason said.
import type { Fleet } from "../../support/start-fleet.js";

export interface BenchLevel {
  level: string;
  /** Options of the primary's configuration. */
  primary: Record<string, unknown>;
  /** Before the first event is sent. */
  prepare(fleet: Fleet): Promise<void>;
}

export interface LeftOut {
  level: string;
  why: string;
}

export async function findLevels(): Promise<{ levels: BenchLevel[]; leftOut: LeftOut[] }> {
  const heuristic = { level: "heuristic", primary: { vectorize: { level: "heuristic" } }, prepare: async () => {} };
  return { levels: [heuristic], leftOut: [] };
}
