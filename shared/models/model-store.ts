// The models of a root: `<root>/models/<id>/`. Read by both daemons' worker and query processes, written by `model add`
// and `model remove` only. What is listed has its `model.json` and its name; whether its files are still what they were is
// asked with `checkModel`, which reads them all.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { EmbedError } from "../embed/embed-error.js";
import { RootLayout } from "../store/layout.js";
import { hashFile } from "./hash-file.js";
import { type ModelHashes, modelId } from "./model-id.js";
import { MODEL_FILES, type ModelManifest, modelOfManifest, parseManifest, type StoredModel } from "./stored-model.js";

/** By name, then id. A folder that is half written or cannot be read is left out. */
export async function listModels(root: string): Promise<StoredModel[]> {
  const { models } = new RootLayout(root);
  const names = (await readdir(models).catch(emptyIfMissing)).filter((name) => !name.startsWith("."));
  const found = await Promise.all(names.map((id) => readModel(models, id)));
  return found.filter((model) => model !== undefined).sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
}

/** @throws EmbedError `model-missing`; `model-unfit` if two models have the name */
export async function findModel(root: string, nameOrId: string): Promise<StoredModel> {
  const models = await listModels(root);
  const byId = models.find(({ id }) => id === nameOrId);
  if (byId) return byId;
  const byName = models.filter(({ name }) => name === nameOrId);
  if (byName.length > 1) {
    throw new EmbedError("model-unfit", `there are ${byName.length} models named ${nameOrId} in ${root}`, {
      hint: `say which by its id: ${byName.map(({ id }) => id).join(", ")}`,
    });
  }
  if (byName[0]) return byName[0];
  throw new EmbedError("model-missing", `there is no model ${nameOrId} in ${new RootLayout(root).models}`, {
    hint: "add it with `model add SOURCE --sha256 HEX`; `model list` shows which are there",
  });
}

/** What questions to a space need: the very model that made its rows. @throws EmbedError `model-missing` */
export async function findModelByHashes(root: string, hashes: ModelHashes): Promise<StoredModel> {
  const { modelSha256, tokenizerSha256 } = hashes;
  const found = (await listModels(root)).find(
    (model) => model.modelSha256 === modelSha256 && model.tokenizerSha256 === tokenizerSha256,
  );
  if (found) return found;
  const wanted = `whose .onnx file has SHA-256 ${modelSha256} and tokenizer ${tokenizerSha256}`;
  throw new EmbedError("model-missing", `there is no model in ${new RootLayout(root).models} ${wanted}`, {
    hint: `\`model add\` it; where its vectors were made \`model list --json\` names its folder, which can be copied and added`,
  });
}

/**
 * Reads all files of the model and compares them with what they were when it was added.
 *
 * @throws EmbedError `model-damaged`, naming the file; `model-missing` if the folder has gone
 */
export async function checkModel(model: Pick<StoredModel, "dir" | "name">, signal?: AbortSignal): Promise<void> {
  for (const [file, { sha256, size_bytes }] of Object.entries((await readManifest(model)).files)) {
    const path = join(model.dir, file);
    const { size } = await stat(path).catch(() => ({ size: undefined }));
    if (size === size_bytes && (await hashFile(path, signal)) === sha256) continue;
    throw new EmbedError("model-damaged", `${path} is ${size === undefined ? "missing" : "not what was added"}`, {
      hint: "`model add` it again from where it came: a damaged model is replaced",
    });
  }
}

async function readManifest({ dir, name }: Pick<StoredModel, "dir" | "name">): Promise<ModelManifest> {
  const text = await readFile(join(dir, MODEL_FILES.manifest), "utf8").catch((cause) => {
    throw new EmbedError("model-missing", `model ${name} is not in ${dir}`, {
      cause,
      hint: "add it with `model add SOURCE --sha256 HEX`",
    });
  });
  return parseManifest(text, dir);
}

/** Undefined for what is no whole model: a folder without `model.json`, or whose name is not its id. */
async function readModel(models: string, id: string): Promise<StoredModel | undefined> {
  const dir = join(models, id);
  try {
    const manifest = parseManifest(await readFile(join(dir, MODEL_FILES.manifest), "utf8"), dir);
    const model = modelOfManifest(manifest, dir);
    return model.id === id && modelId(model.name, model) === id ? model : undefined;
  } catch {
    return undefined;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
