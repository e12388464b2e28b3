import assert from "node:assert/strict";
import { mkdir, readdir, readFile, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Hex } from "../../../shared/format/hash.js";
import { type AddModelOptions, addModel } from "../../../shared/models/add-model.js";
import { checkModel, findModel, listModels } from "../../../shared/models/model-store.js";
import { type Files, modelFiles, without, writeFiles } from "../../support/model-files.js";
import { ONNX_TYPE, onnxBytes } from "../../support/onnx-bytes.js";
import { withFolder } from "../../support/with-folder.js";
import { zipBytes } from "../../support/zip-bytes.js";

test("a folder becomes a model that is found, whole, and described by its own files", async () => {
  await withModel(modelFiles(), async ({ root, dir }) => {
    const { model, changed } = await add({ root, source: dir, sha256: sha256Hex(onnxBytes()) });
    assert.equal(changed, true);
    await checkModel(model);
    assert.deepEqual(await findModel(root, "mini"), model);
    const { weights, dimensions, pooling, maxTokens } = model;
    assert.deepEqual(
      { weights, dimensions, pooling, maxTokens },
      { weights: "fp32", dimensions: 8, pooling: "mean", maxTokens: 32 },
    );
    const kept = ["LICENSE", "config.json", "model.json", "model.onnx", "tokenizer.json", "tokenizer_config.json"];
    assert.deepEqual((await readdir(model.dir)).sort(), kept);
  });
});

test("adding the same again changes nothing, and mends a damaged one", async () => {
  await withModel(modelFiles(), async ({ root, dir }) => {
    const { model } = await add({ root, source: dir });
    assert.equal((await add({ root, source: dir })).changed, false);
    await truncate(model.modelFile, 3);
    assert.equal((await add({ root, source: dir })).changed, true);
    await checkModel(model);
    await writeFile(join(model.dir, "model.json"), "{");
    assert.equal((await add({ root, source: dir })).changed, true);
    assert.deepEqual(await readdir(join(root, "models")), [model.id]);
  });
});

test("another model of the same name is refused, and taken under another name", async () => {
  await withModel(modelFiles(), async ({ root, dir }) => {
    const { model } = await add({ root, source: dir });
    const int8 = onnxBytes({ tensors: [{ type: ONNX_TYPE.int8, elements: 9 }] });
    await writeFiles(dir, { "onnx/model.onnx": int8 });
    await assert.rejects(add({ root, source: dir }), {
      code: "exists",
      message: new RegExp(model.id),
      hint: /mini-int8/,
    });
    const other = await add({ root, source: dir, name: "mini-int8" });
    assert.deepEqual([other.model.name, other.model.weights], ["mini-int8", "int8"]);
    assert.deepEqual(
      (await listModels(root)).map(({ name }) => name),
      ["mini", "mini-int8"],
    );
  });
});

test("a model's folder of another root is a source that needs nothing else", async () => {
  await withModel(modelFiles(), async ({ root, dir, folder }) => {
    const { model } = await add({ root, source: dir });
    const second = join(folder, "second");
    const copy = await add({ root: second, source: model.dir, sha256: model.modelSha256 });
    assert.deepEqual({ ...copy.model, dir: "", modelFile: "" }.maxTokens, model.maxTokens);
    assert.equal(copy.model.id, model.id);
    assert.equal(copy.model.name, "mini");
  });
});

test("a hub's cache, where files are links and the folder's name is a commit, gives the repository's name", async () => {
  await withModel({}, async ({ root, folder }) => {
    const cache = join(folder, "models--acme--mini");
    await writeFiles(join(cache, "blobs"), modelFiles());
    const snapshot = join(cache, "snapshots", "0123456789abcdef0123456789abcdef01234567");
    for (const path of Object.keys(modelFiles())) {
      await mkdir(join(snapshot, path, ".."), { recursive: true });
      await symlink(join(cache, "blobs", path), join(snapshot, path));
    }
    assert.equal((await add({ root, source: snapshot })).model.name, "mini");
  });
});

test("a digest that does not fit refuses the model before any of it is opened", async () => {
  const broken: Files = {
    "onnx/model.onnx": "not onnx at all",
    "config.json": "not JSON",
    "tokenizer.json": "neither",
  };
  await withModel(modelFiles(broken), async ({ root, dir }) => {
    const said = sha256Hex("what was meant");
    const refused = { code: "digest-mismatch", message: new RegExp(said) };
    await assert.rejects(add({ root, source: dir, sha256: said }), refused);
    await assert.rejects(add({ root, source: dir, tokenizerSha256: said }), refused);
    await assert.rejects(add({ root, source: dir }), { code: "model-unfit" });
    assert.deepEqual(await readdir(join(root, "models")), []);
  });
});

test("what is too large, ends in rubbish or lacks a part leaves nothing behind", async () => {
  const refusals: [Files, Partial<AddModelOptions>, object][] = [
    [modelFiles(), { maxBytes: 100 }, { code: "too-large", hint: /--max-size/ }],
    [without(modelFiles(), "tokenizer.json"), {}, { code: "model-unfit" }],
    [without(modelFiles(), "1_Pooling/config.json"), {}, { code: "model-unfit", hint: /--pooling mean/ }],
    [modelFiles({ "config.json": "<html>" }), {}, { code: "model-unfit", message: /config\.json is not JSON/ }],
    [modelFiles(), { weights: "int8" }, { code: "model-unfit" }],
    [modelFiles(), { name: "../x" }, { code: "bad-request", message: /--name/ }],
    [modelFiles(), { source: "/nowhere" }, { code: "bad-request", message: /nowhere/ }],
  ];
  for (const [files, options, expected] of refusals) {
    await withModel(files, async ({ root, dir }) => {
      await assert.rejects(add({ root, source: dir, ...options }), expected);
      assert.deepEqual(await readdir(join(root, "models")), []);
    });
  }
});

test("a reference and the tokenizer's own settings stay with the model", async () => {
  await withModel(modelFiles({ "reference.json": '{"rows":[]}' }), async ({ root, dir }) => {
    const { model } = await add({ root, source: dir });
    assert.equal(await readFile(join(model.dir, "reference.json"), "utf8"), '{"rows":[]}');
    assert.ok(model.tokenizerConfigFile);
  });
});

test("an interrupted copy leaves nothing, and what a kill left is swept a day later", async () => {
  await withModel(modelFiles(), async ({ root, dir }) => {
    const interrupted = add({ root, source: dir, signal: AbortSignal.abort() });
    await assert.rejects(interrupted, { code: "interrupted" });
    const [old, young] = ["old", "young"].map((name) => join(root, "models", `.adding-${name}`)) as [string, string];
    for (const left of [old, young]) await writeFiles(left, { "model.onnx": "half" });
    await utimes(old, new Date(0), new Date(0));
    const { model } = await add({ root, source: dir });
    assert.deepEqual((await readdir(join(root, "models"))).sort(), [".adding-young", model.id]);
  });
});

test("an archive that is given up before it is read ends the adding and not the process", async () => {
  await withModel(modelFiles(), async ({ folder, root }) => {
    const archive = join(folder, "mini.zip");
    await writeFile(archive, zipBytes([{ name: "mini/model.onnx", content: "x" }]));
    const given = add({ root, source: archive, signal: AbortSignal.abort() });
    await assert.rejects(given, { code: "interrupted" });
    assert.deepEqual(await readdir(join(root, "models")), []);
  });
});

interface Place {
  folder: string;
  root: string;
  /** The source, called `mini`. */
  dir: string;
}

async function withModel(files: Files, body: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = await writeFiles(join(folder, "mini"), files);
    await body({ folder, root: join(folder, "root"), dir });
  });
}

function add(options: Pick<AddModelOptions, "root" | "source"> & Partial<AddModelOptions>) {
  return addModel({ maxBytes: 1024 * 1024, signal: new AbortController().signal, ...options });
}
