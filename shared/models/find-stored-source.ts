// Whether a model is there already, told by the digest the operator gave: nothing is fetched to find out. So the same
// command can stand in a playbook that runs every hour.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EmbedError } from "../embed/embed-error.js";
import { checkModel, listModels } from "./model-store.js";
import { MODEL_FILES, type ModelWeights, parseManifest, type StoredModel } from "./stored-model.js";

export interface WantedSource {
  root: string;
  sha256?: string | undefined;
  tokenizerSha256?: string | undefined;
  name?: string | undefined;
  weights?: ModelWeights | undefined;
  file?: string | undefined;
}

export interface StoredSource {
  model: StoredModel;
  archiveSha256: string | undefined;
}

/** A model that came from what has this digest, and is whole; `undefined` if it must be fetched. */
export async function findStoredSource(wanted: WantedSource): Promise<StoredSource | undefined> {
  const { sha256, tokenizerSha256, name, weights, file } = wanted;
  if (sha256 === undefined) return undefined;
  for (const model of await listModels(wanted.root)) {
    const { source } = parseManifest(await readFile(join(model.dir, MODEL_FILES.manifest), "utf8"), model.dir);
    const isIt =
      (source.archive_sha256 === sha256 || model.modelSha256 === sha256) &&
      (tokenizerSha256 ?? model.tokenizerSha256) === model.tokenizerSha256 &&
      (name ?? model.name) === model.name &&
      (weights ?? model.weights) === model.weights &&
      (file ?? source.file) === source.file;
    if (isIt && (await isWhole(model))) return { model, archiveSha256: source.archive_sha256 };
  }
  return undefined;
}

export async function isWhole(model: StoredModel): Promise<boolean> {
  try {
    await checkModel(model);
    return true;
  } catch (error) {
    if (error instanceof EmbedError) return false;
    throw error;
  }
}
