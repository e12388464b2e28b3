// Real models, where they lie beside the project in `../shared/models/<name>/`: too large to be part of it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StoredModel } from "../../shared/models/stored-model.js";
import { storedModelOf } from "./make-model.js";

const MODELS = fileURLToPath(new URL("../../../../shared/models/", import.meta.url));

/** By the models' cards. */
const CARDS: Readonly<Record<string, Pick<StoredModel, "dimensions" | "maxTokens">>> = {
  "paraphrase-MiniLM-L3-v2": { dimensions: 384, maxTokens: 128 },
  "all-MiniLM-L6-v2": { dimensions: 384, maxTokens: 256 },
  "all-mpnet-base-v2": { dimensions: 768, maxTokens: 384 },
};

export function sharedModelFolder(name: string): string {
  return join(MODELS, name);
}

/** Undefined where it is not there. */
export async function sharedModel(name: string): Promise<StoredModel | undefined> {
  const dir = sharedModelFolder(name);
  const isInt8 = existsSync(join(dir, "onnx", "model_quantized.onnx"));
  const card = CARDS[name];
  if (!card || !(isInt8 || existsSync(join(dir, "onnx", "model.onnx")))) return undefined;
  return storedModelOf(dir, name, { ...card, weights: isInt8 ? "int8" : "fp32" });
}
