// A sentence model as it lies in `<root>/models/<id>/`, and `model.json`, which says what was read from its files when it
// was added. `model.json` is written last, into a folder that gets its name only when it is whole: a folder without it is none.
import { join } from "node:path";
import { z } from "zod";
import { EmbedError } from "../embed/embed-error.js";

export interface StoredModel {
  /** `<name>-<first 12 digits of a SHA-256 over both hashes>`, the folder's name. */
  id: string;
  name: string;
  dir: string;
  modelFile: string;
  tokenizerFile: string;
  tokenizerConfigFile: string | undefined;
  modelSha256: string;
  tokenizerSha256: string;
  weights: ModelWeights;
  dimensions: number;
  pooling: "mean";
  /** Tokens of a text that count, the special ones included; what is behind them is cut off. */
  maxTokens: number;
  /** Of all its files. */
  sizeBytes: number;
}

export const MODEL_WEIGHTS = ["fp32", "int8"] as const;
export type ModelWeights = (typeof MODEL_WEIGHTS)[number];

/** The names files have in a model's folder, whatever they were called where they came from. */
export const MODEL_FILES = {
  manifest: "model.json",
  model: "model.onnx",
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
  config: "config.json",
  /** Texts with the vectors they must have, for `model test`. */
  reference: "reference.json",
  licence: "LICENSE",
} as const;

/** Names are also parts of folder names; 48 characters leave room for the digits behind. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/;

export function isModelName(name: string): boolean {
  return MODEL_NAME.test(name);
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const manifestSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  name: z.string().regex(MODEL_NAME),
  weights: z.enum(MODEL_WEIGHTS),
  dimensions: z.int().min(1).max(4096),
  pooling: z.literal("mean"),
  max_tokens: z.int().min(3).max(8192),
  /** What was given to `model add`: its place, the path of the .onnx file in it, the digest of a whole archive. */
  source: z.strictObject({ place: z.string(), file: z.string(), archive_sha256: sha256.optional() }),
  added: z.string(),
  /** By the names of `MODEL_FILES`. */
  files: z.record(z.string(), z.strictObject({ sha256, size_bytes: z.int().min(0) })),
});

const REMEDY = "`model add` it again, which writes the folder anew";

export type ModelManifest = z.output<typeof manifestSchema>;

export function formatManifest(manifest: ModelManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** @throws EmbedError `model-damaged` */
export function parseManifest(text: string, dir: string): ModelManifest {
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new EmbedError("model-damaged", `${join(dir, MODEL_FILES.manifest)} cannot be read`, { cause, hint: REMEDY });
  }
}

/** The model that a manifest describes. @throws EmbedError `model-damaged` if it names no model file or no tokenizer */
export function modelOfManifest(manifest: ModelManifest, dir: string): StoredModel {
  const { [MODEL_FILES.model]: model, [MODEL_FILES.tokenizer]: tokenizer } = manifest.files;
  if (!model || !tokenizer) {
    throw new EmbedError("model-damaged", `${join(dir, MODEL_FILES.manifest)} names no model or no tokenizer`, {
      hint: REMEDY,
    });
  }
  const hasConfig = manifest.files[MODEL_FILES.tokenizerConfig] !== undefined;
  return {
    id: manifest.id,
    name: manifest.name,
    dir,
    modelFile: join(dir, MODEL_FILES.model),
    tokenizerFile: join(dir, MODEL_FILES.tokenizer),
    tokenizerConfigFile: hasConfig ? join(dir, MODEL_FILES.tokenizerConfig) : undefined,
    modelSha256: model.sha256,
    tokenizerSha256: tokenizer.sha256,
    weights: manifest.weights,
    dimensions: manifest.dimensions,
    pooling: manifest.pooling,
    maxTokens: manifest.max_tokens,
    sizeBytes: Object.values(manifest.files).reduce((sum, { size_bytes }) => sum + size_bytes, 0),
  };
}
