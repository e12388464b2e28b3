// Real models, where they lie beside the project in `../shared/models/<name>/`: too large to be part of it. What is tried
// on them is tried on a made model too, as far as that can show it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
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

/**
 * A test on the model of this name. Without the model there is no such test, and the run says so: a model is nothing that
 * could be installed.
 */
export function testWithModel(name: string, title: string, body: (t: TestContext) => Promise<void>): void {
  if (existsSync(join(sharedModelFolder(name), "onnx"))) void test(title, body);
  else process.stderr.write(`left out, ${name} is not in ../shared/models beside the project: ${title}\n`);
}
