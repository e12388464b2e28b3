// `model add`: from a source to a model's folder. First what was asked for is checked, then the bytes are brought beside the
// models and their digest is compared; only what passed is opened and looked into. The folder gets its name last, so
// that a crash, a Ctrl-C or a refusal at any point leaves the models as they were.
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { nowTimestamp } from "../format/timestamp.js";
import { RootLayout } from "../store/layout.js";
import { replaceFile } from "../store/write-file.js";
import { installFolder, withAddingFolder } from "./adding-folder.js";
import { type BringOptions, bringFiles, dropReadOnce } from "./bring-files.js";
import { chooseFiles } from "./choose-files.js";
import { describeModel } from "./describe-model.js";
import { shownUrl } from "./fetch-url.js";
import { findStoredSource, isWhole } from "./find-stored-source.js";
import { ModelError } from "./model-error.js";
import { modelId } from "./model-id.js";
import { listModels } from "./model-store.js";
import { type OpenedSource, openSource } from "./open-source.js";
import { parseSource, requirePins } from "./parse-source.js";
import { readDocuments } from "./read-documents.js";
import { readOnnx } from "./read-onnx.js";
import {
  formatManifest,
  isModelName,
  MODEL_FILES,
  type ModelManifest,
  type ModelWeights,
  modelOfManifest,
  type StoredModel,
} from "./stored-model.js";

export interface AddModelOptions extends Omit<BringOptions, "dir" | "onnxSha256"> {
  root: string;
  source: string;
  /** Of the archive, or else of the .onnx file; 64 lower-case hex digits. */
  sha256?: string | undefined;
  name?: string | undefined;
  weights?: ModelWeights | undefined;
  /** Path of the .onnx file in the source. */
  file?: string | undefined;
  revision?: string | undefined;
  pooling?: "mean" | undefined;
}

export interface AddedModel {
  model: StoredModel;
  /** False if the very same was there, whole. */
  changed: boolean;
  /** Of a whole archive, where one was given. */
  archiveSha256: string | undefined;
}

/** @throws ModelError; EmbedError `model-unfit` */
export async function addModel(options: AddModelOptions): Promise<AddedModel> {
  const { root } = options;
  const parsed = parseSource(options.source, options);
  requirePins(parsed, options);
  const stored = parsed.kind === "path" ? undefined : await findStoredSource(options);
  if (stored) return { ...stored, changed: false };
  return withAddingFolder(root, async (dir) => {
    const opened = await openSource(parsed, { ...options, dir, sha256: options.sha256 });
    try {
      const manifest = await bringModel(opened, dir, { ...options, place: placeOf(options, parsed.kind === "path") });
      const installed = await install(dir, root, manifest);
      return { ...installed, archiveSha256: opened.archiveSha256 };
    } finally {
      await opened.source.close();
    }
  });
}

/** Fills `dir` with the model's files, `model.json` last. */
async function bringModel(
  opened: OpenedSource,
  dir: string,
  options: AddModelOptions & { place: string },
): Promise<ModelManifest> {
  const { source, archiveSha256 } = opened;
  const chosen = chooseFiles(await source.list(options.signal), options);
  const onnxSha256 = archiveSha256 === undefined ? options.sha256 : undefined;
  const files = await bringFiles(source, chosen, { ...options, dir, onnxSha256 });
  const onnx = readOnnx(join(dir, MODEL_FILES.model));
  const { documents, manifest: earlier } = await readDocuments(dir);
  const names = [options.name ?? "", earlier?.name ?? "", ...source.names(chosen.dir)].filter((name) => name !== "");
  const { weights, dimensions, pooling, maxTokens } = describeModel({ ...options, onnx, documents, names });
  await dropReadOnce(dir);
  await rm(join(dir, "archive"), { force: true });
  const name = nameOf(options.name, names);
  const manifest: ModelManifest = {
    format: 1,
    id: modelId(name, { modelSha256: digestOf(files, "model"), tokenizerSha256: digestOf(files, "tokenizer") }),
    name,
    weights,
    dimensions,
    pooling,
    max_tokens: maxTokens,
    source: { place: options.place, file: chosen.model.path, archive_sha256: archiveSha256 },
    added: nowTimestamp(),
    files,
  };
  await replaceFile(join(dir, MODEL_FILES.manifest), formatManifest(manifest));
  return manifest;
}

function digestOf(files: ModelManifest["files"], key: "model" | "tokenizer"): string {
  return files[MODEL_FILES[key]]?.sha256 as string;
}

/** Names that say nothing of a model. */
const DULL_NAMES = /^(?:onnx|model|models|main|resolve|[0-9a-f]{40})$/i;

function nameOf(asked: string | undefined, names: readonly string[]): string {
  if (asked !== undefined && !isModelName(asked)) {
    throw new ModelError("bad-request", `--name ${asked} cannot be used`, {
      hint: "letters, digits and . _ -, beginning with a letter or digit, at most 48",
    });
  }
  const name = asked ?? names.find((one) => isModelName(one) && !DULL_NAMES.test(one));
  if (name !== undefined) return name;
  throw new ModelError("bad-request", "nothing in it tells what the model is called", {
    hint: "say it with --name, such as --name all-MiniLM-L6-v2",
  });
}

/** The query of an address may hold a secret. */
function placeOf({ source }: AddModelOptions, isPath: boolean): string {
  return isPath ? resolve(source) : shownUrl(new URL(source));
}

async function install(
  dir: string,
  root: string,
  manifest: ModelManifest,
): Promise<{ model: StoredModel; changed: boolean }> {
  const models = await listModels(root);
  const same = models.find(({ id }) => id === manifest.id);
  if (same && (await isWhole(same))) return { model: same, changed: false };
  const namesake = models.find(({ id, name }) => id !== manifest.id && name === manifest.name);
  if (namesake) {
    throw new ModelError("exists", `another model is called ${manifest.name} already: ${namesake.id}`, {
      hint: `give this one another --name, such as ${manifest.name}-${manifest.weights}, or remove that one`,
    });
  }
  await installFolder(dir, root, manifest.id);
  return { model: modelOfManifest(manifest, join(new RootLayout(root).models, manifest.id)), changed: true };
}
