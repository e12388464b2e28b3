// The levels that the `relevance` bench can measure here. A model level needs its model beside the project and the runtime;
// without them it is left out, and the reason said.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { runtimeVersion } from "../../../shared/embed/onnx/load-runtime.js";
import { sharedModelFolder } from "../../support/shared-model.js";
import type { Fleet } from "../../support/start-fleet.js";

export interface BenchLevel {
  level: string;
  /** Before either daemon is started. */
  prepare(fleet: Fleet): Promise<void>;
}

export interface LeftOut {
  level: string;
  why: string;
}

/** What each level has when nothing else is configured. */
const MODELS = { low: "paraphrase-MiniLM-L3-v2", medium: "all-MiniLM-L6-v2", high: "all-mpnet-base-v2" };

export function findLevels(): { levels: BenchLevel[]; leftOut: LeftOut[] } {
  const levels: BenchLevel[] = [{ level: "heuristic", prepare: async () => {} }];
  const leftOut: LeftOut[] = [];
  for (const [level, model] of Object.entries(MODELS)) {
    const folder = sharedModelFolder(model);
    if (!existsSync(folder)) leftOut.push({ level, why: `${model} is not in ${folder}` });
    else if (runtimeVersion() === undefined) leftOut.push({ level, why: "there is no runtime: npm run add-runtime" });
    else levels.push({ level, prepare: (fleet) => addModel(fleet, folder) });
  }
  return { levels, leftOut };
}

async function addModel({ primary, replica }: Fleet, folder: string): Promise<void> {
  for (const side of [primary, replica]) {
    const { exitCode, stderr } = await side.run("model", "add", folder);
    assert.equal(exitCode, 0, stderr);
  }
}
