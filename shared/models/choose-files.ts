// Picks a model's files out of the names that a source has: the .onnx file, and what stands beside it or, where that is
// in a folder `onnx`, above it. Pure: names in, names out.
import { EmbedError } from "../embed/embed-error.js";
import type { SourceFile } from "./model-source.js";
import type { ModelWeights } from "./stored-model.js";

/** Files that say what a model is; all but the tokenizer may be missing. */
export const SIDE_FILES = {
  tokenizer: "tokenizer.json",
  tokenizerConfig: "tokenizer_config.json",
  config: "config.json",
  sentenceBert: "sentence_bert_config.json",
  modules: "modules.json",
  pooling: "1_Pooling/config.json",
  reference: "reference.json",
  licence: "LICENSE",
  manifest: "model.json",
} as const;
export type SideFile = keyof typeof SIDE_FILES;

export interface ChosenFiles {
  /** Folder of the model in the source, `""` at its top. */
  dir: string;
  model: SourceFile;
  tokenizer: SourceFile;
  side: Partial<Record<SideFile, SourceFile>>;
}

export interface ModelChoice {
  /** Path of the .onnx file in the source. */
  file?: string | undefined;
  weights?: ModelWeights | undefined;
}

/** @throws EmbedError `model-unfit`, listing what there is to choose from */
export function chooseFiles(files: readonly SourceFile[], choice: ModelChoice = {}): ChosenFiles {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const models = files.filter(({ path }) => path.endsWith(".onnx"));
  const whole = models.filter(({ path }) => dirWithTokenizer(path, byPath) !== undefined);
  const model = choice.file === undefined ? pickByWeights(whole, models, choice.weights) : named(choice.file, models);
  const dir = dirWithTokenizer(model.path, byPath);
  if (dir === undefined) throw noTokenizer(model.path);
  const side: ChosenFiles["side"] = {};
  for (const [key, name] of Object.entries(SIDE_FILES) as [SideFile, string][]) {
    const file = byPath.get(join(dir, name));
    if (file) side[key] = file;
  }
  return { dir, model, tokenizer: side.tokenizer as SourceFile, side };
}

function pickByWeights(
  whole: readonly SourceFile[],
  all: readonly SourceFile[],
  weights: ModelWeights | undefined,
): SourceFile {
  if (all.length === 0) {
    throw new EmbedError("model-unfit", "there is no .onnx file", {
      hint: "give a model that was exported to ONNX; its folder has tokenizer.json and model.onnx or onnx/model.onnx",
    });
  }
  if (whole.length === 0) throw noTokenizer(all.map(({ path }) => path).join(", "));
  const fit = whole.filter(({ path }) => weights === undefined || weightsByName(path) === weights);
  const usual = fit.filter(({ path }) => (weights === undefined ? [] : USUAL[weights]).includes(baseName(path)));
  const only = fit.length === 1 ? fit[0] : usual.length === 1 ? usual[0] : undefined;
  // One file whose name does not say what its weights are is taken, and looked into later.
  const single = only ?? (whole.length === 1 ? whole[0] : undefined);
  if (single) return single;
  const list = whole.map(({ path }) => path).join(", ");
  throw new EmbedError("model-unfit", `there are several .onnx files: ${list}`, {
    hint: "say which: `--weights fp32` or `--weights int8`, or `--file PATH` with one of these paths",
  });
}

/** Of several files with the same weights, the ones that exporters write without being asked for a special target. */
const USUAL: Readonly<Record<ModelWeights, readonly string[]>> = {
  fp32: ["model.onnx"],
  int8: ["model_quantized.onnx", "model_int8.onnx"],
};

function weightsByName(path: string): ModelWeights | undefined {
  const name = baseName(path).toLowerCase();
  if (/int8|quantized|uint8/.test(name)) return "int8";
  return /fp16|q4|bnb|_o4/.test(name) ? undefined : "fp32";
}

function named(file: string, models: readonly SourceFile[]): SourceFile {
  const found = models.find(({ path }) => path === file);
  if (found) return found;
  throw new EmbedError("model-unfit", `there is no ${file}`, {
    hint: `the .onnx files are: ${models.map(({ path }) => path).join(", ") || "none"}`,
  });
}

/** The folder of the .onnx file, or the one above a folder `onnx`, whichever has a tokenizer. */
function dirWithTokenizer(modelPath: string, byPath: ReadonlyMap<string, SourceFile>): string | undefined {
  const dir = parent(modelPath);
  const dirs = baseName(dir) === "onnx" ? [parent(dir), dir] : [dir];
  return dirs.find((one) => byPath.has(join(one, SIDE_FILES.tokenizer)));
}

function noTokenizer(path: string): EmbedError {
  return new EmbedError("model-unfit", `there is no tokenizer.json beside ${path}`, {
    hint: "it must stand in the same folder, or above a folder `onnx`; vocab.txt alone is not enough",
  });
}

function join(dir: string, name: string): string {
  return dir === "" ? name : `${dir}/${name}`;
}

function parent(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
