import assert from "node:assert/strict";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Hex } from "../../../shared/format/hash.js";
import { modelId } from "../../../shared/models/model-id.js";
import { checkModel, findModel, findModelByHashes, listModels } from "../../../shared/models/model-store.js";
import { formatManifest, MODEL_FILES } from "../../../shared/models/stored-model.js";
import { withFolder } from "../../support/with-folder.js";

test("models are listed by name, with what their manifest says and where their files lie", async () => {
  await withFolder(async (root) => {
    const b = await writeModel(root, { name: "b-model", weights: "b" });
    const a = await writeModel(root, { name: "a-model", weights: "a" });
    const models = await listModels(root);
    assert.deepEqual(
      models.map(({ id }) => id),
      [a, b],
    );
    const [first] = models;
    assert.equal(first?.modelSha256, sha256Hex("a"));
    assert.equal(await readFile(first?.tokenizerFile ?? "", "utf8"), "tokenizer");
    assert.equal(first?.sizeBytes, 1 + "tokenizer".length);
    assert.equal(first?.tokenizerConfigFile, undefined);
  });
});

test("a root without models has none", async () => {
  await withFolder(async (root) => assert.deepEqual(await listModels(root), []));
});

test("a folder that is half written, or renamed, is not listed", async () => {
  await withFolder(async (root) => {
    const id = await writeModel(root, { name: "whole", weights: "w" });
    const half = await writeModel(root, { name: "half", weights: "h" });
    await rm(join(root, "models", half, MODEL_FILES.manifest));
    const cut = await writeModel(root, { name: "cut", weights: "c" });
    await writeFile(join(root, "models", cut, MODEL_FILES.manifest), '{"format":1,');
    const moved = await writeModel(root, { name: "moved", weights: "m" });
    await rename(join(root, "models", moved), join(root, "models", "moved-000000000000"));
    await mkdir(join(root, "models", ".adding-x"));
    assert.deepEqual(
      (await listModels(root)).map((model) => model.id),
      [id],
    );
  });
});

test("a model is found by name, by id and by its hashes", async () => {
  await withFolder(async (root) => {
    const id = await writeModel(root, { name: "mini", weights: "w" });
    assert.equal((await findModel(root, "mini")).id, id);
    assert.equal((await findModel(root, id)).id, id);
    const hashes = { modelSha256: sha256Hex("w"), tokenizerSha256: sha256Hex("tokenizer") };
    assert.equal((await findModelByHashes(root, hashes)).id, id);
    const other = { ...hashes, tokenizerSha256: sha256Hex("another") };
    await assert.rejects(findModelByHashes(root, other), { code: "model-missing" });
    await assert.rejects(findModel(root, "maxi"), { code: "model-missing", hint: /model add/ });
  });
});

test("of two models with one name none is taken: the error names both ids", async () => {
  await withFolder(async (root) => {
    const ids = [
      await writeModel(root, { name: "twin", weights: "1" }),
      await writeModel(root, { name: "twin", weights: "2" }),
    ];
    const isTold = (error: { code: string; hint: string }) =>
      error.code === "model-unfit" && ids.every((id) => error.hint.includes(id));
    await assert.rejects(findModel(root, "twin"), isTold);
    assert.equal((await findModel(root, ids[1] as string)).id, ids[1]);
  });
});

test("a changed byte, a cut file and a missing file are found, each by name", async () => {
  await withFolder(async (root) => {
    await writeModel(root, { name: "mini", weights: "weights" });
    const model = await findModel(root, "mini");
    await checkModel(model);
    for (const damage of [
      () => writeFile(model.modelFile, "weightz"),
      () => writeFile(model.modelFile, "weight"),
      () => rm(model.modelFile),
    ]) {
      await damage();
      await assert.rejects(checkModel(model), { code: "model-damaged", message: /model\.onnx/, hint: /model add/ });
      await writeFile(model.modelFile, "weights");
      await checkModel(model);
    }
    await writeFile(model.tokenizerFile, "tokenizes");
    await assert.rejects(checkModel(model), { code: "model-damaged", message: /tokenizer\.json/ });
    await rm(model.dir, { recursive: true });
    await assert.rejects(checkModel(model), { code: "model-missing" });
  });
});

/** A model's folder as `model add` leaves it; its files are only as good as their hashes. Returns its id. */
async function writeModel(root: string, { name, weights }: { name: string; weights: string }): Promise<string> {
  const contents = { [MODEL_FILES.model]: weights, [MODEL_FILES.tokenizer]: "tokenizer" };
  const hashes = { modelSha256: sha256Hex(weights), tokenizerSha256: sha256Hex("tokenizer") };
  const id = modelId(name, hashes);
  const dir = join(root, "models", id);
  await mkdir(dir, { recursive: true });
  const described = Object.entries(contents).map(([file, text]) => {
    return [file, { sha256: sha256Hex(text), size_bytes: text.length }] as const;
  });
  for (const [file, text] of Object.entries(contents)) await writeFile(join(dir, file), text);
  const manifest = {
    format: 1 as const,
    id,
    name,
    weights: "fp32" as const,
    dimensions: 8,
    pooling: "mean" as const,
    max_tokens: 16,
    source: { place: "a test", file: "model.onnx" },
    added: "2026-11-21T00:00:00.000000Z",
    files: Object.fromEntries(described),
  };
  await writeFile(join(dir, MODEL_FILES.manifest), formatManifest(manifest));
  return id;
}
