// The models that the `embed` bench can run here: the real ones that lie beside the project, by level, and made ones for
// the levels that have none.
import { join } from "node:path";
import type { StoredModel } from "../../../shared/models/stored-model.js";
import { makeStoredModel } from "../../support/make-model.js";
import { sharedModel } from "../../support/shared-model.js";

export interface BenchModel {
  level: string;
  model: StoredModel;
  /** Whether its speed says something of real models. */
  isReal: boolean;
}

const LEVELS = [
  { level: "low", name: "paraphrase-MiniLM-L3-v2", made: { dimensions: 384, weights: "int8" } },
  { level: "medium", name: "all-MiniLM-L6-v2", made: { dimensions: 384, weights: "int8" } },
  { level: "high", name: "all-mpnet-base-v2", made: { dimensions: 768, weights: "fp32", tokenTypes: false } },
] as const;

/** Made ones are written to `folder`. */
export async function findModels(folder: string): Promise<BenchModel[]> {
  const models: BenchModel[] = [];
  for (const { level, name, made } of LEVELS) {
    const real = await sharedModel(name);
    const model = real ?? (await makeStoredModel(join(folder, `made-for-${level}`), made));
    models.push({ level, model, isReal: real !== undefined });
  }
  return models;
}
