// What a level makes its rows with on this machine: its model, if that and the runtime are here, else the heuristic, with
// the reason and the command that cures it. Reads names and sizes only: whether a model's files are what they were is
// found by whoever opens it, in a process of its own.
import { stat } from "node:fs/promises";
import type { Dtype } from "../format/row-values.js";
import { type ModelSpace, modelSpace } from "../format/space.js";
import { findModel } from "../models/model-store.js";
import type { StoredModel } from "../models/stored-model.js";
import { EmbedError, type EmbedErrorCode } from "./embed-error.js";
import { type EmbedderSpec, HEURISTIC_SPEC, type ModelSpec } from "./embedder.js";
import { isModelLevel, type ModelLevel, type RowLevel } from "./levels.js";
import { requireRuntime, runtimeVersion } from "./onnx/load-runtime.js";
import { TEXT_VERSION } from "./text/compose-text.js";

export interface LevelOptions {
  /** Where models lie in `models/`. */
  root: string;
  /** Name or id of each level's model. */
  models: Readonly<Record<ModelLevel, string>>;
  dtype: Dtype;
  cache?: ModelSpec["cache"];
}

/** Why a level is not in force. */
export interface LevelFault {
  code: EmbedErrorCode;
  message: string;
  /** The command that cures it. */
  hint: string;
}

/** A level with what it makes its rows with: its own, or the heuristic and the fault that made it so. */
export interface ResolvedLevel {
  level: RowLevel;
  spec: EmbedderSpec;
  fault?: LevelFault | undefined;
}

export async function resolveLevel(level: RowLevel, options: LevelOptions): Promise<ResolvedLevel> {
  if (!isModelLevel(level)) return { level, spec: HEURISTIC_SPEC };
  try {
    requireRuntime();
    const model = await findModel(options.root, options.models[level]);
    const space = spaceOfModel(model, options.dtype);
    return { level, spec: { kind: "model", space, model, cache: options.cache } };
  } catch (error) {
    if (!(error instanceof EmbedError)) throw error;
    const { code, message, hint } = error;
    return { level, spec: HEURISTIC_SPEC, fault: { code, message, hint } };
  }
}

/** The space that a model's rows are of, at this version of the text. */
export function spaceOfModel(model: StoredModel, dtype: Dtype): ModelSpace {
  const { name, dimensions, modelSha256, tokenizerSha256, weights, pooling, maxTokens } = model;
  const recipe = {
    model_sha256: modelSha256,
    tokenizer_sha256: tokenizerSha256,
    weights,
    pooling,
    max_tokens: maxTokens,
    text: TEXT_VERSION,
  };
  return modelSpace({ name, recipe, dimensions }, dtype);
}

/** Changes when what the level stands on does: a model is added or another one written, the runtime is. */
export async function groundOfLevel(level: ModelLevel, { root, models }: LevelOptions): Promise<string> {
  const runtime = runtimeVersion() ?? "no runtime";
  const model = await findModel(root, models[level]).catch(() => undefined);
  if (!model) return runtime;
  const files = await Promise.all([model.modelFile, model.tokenizerFile].map(ageOf));
  return [runtime, model.id, ...files].join(" ");
}

async function ageOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found ? `${found.size}@${found.mtimeMs}` : "missing";
}
