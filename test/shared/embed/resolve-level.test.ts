// What levels come to on a machine with and without the runtime and the models, with models that the store has added.
import assert from "node:assert/strict";
import { mkdir, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { DEFAULT_MODELS } from "../../../shared/embed/levels.js";
import { groundOfLevel, type LevelOptions, resolveLevel, spaceOfModel } from "../../../shared/embed/resolve-level.js";
import { TEXT_VERSION } from "../../../shared/embed/text/compose-text.js";
import { addModel } from "../../../shared/models/add-model.js";
import { findModel } from "../../../shared/models/model-store.js";
import { makeModel } from "../../support/make-model.js";
import { MODEL_RUNTIME, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

async function withRoot(body: (options: LevelOptions, addNamed: (name: string) => Promise<void>) => Promise<void>) {
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    await mkdir(root);
    const options = { root, models: { ...DEFAULT_MODELS, medium: "made" }, dtype: "f16" } as const;
    const source = join(folder, "source");
    await mkdir(source);
    await makeModel(source);
    const addNamed = async (name: string) => {
      await addModel({ root, source, name, maxBytes: 2 ** 30, signal: new AbortController().signal });
    };
    await body(options, addNamed);
  });
}

function withoutRuntime(t: TestContext): void {
  const before = process.env.ISOCHRON_RUNTIME;
  process.env.ISOCHRON_RUNTIME = "/nonexistent";
  t.after(() => {
    if (before === undefined) delete process.env.ISOCHRON_RUNTIME;
    else process.env.ISOCHRON_RUNTIME = before;
  });
}

describe("a level", () => {
  test("with a model makes the rows of that model's space, which names files, numbers and text", async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withRoot(async (options, addNamed) => {
      await addNamed("made");
      const { spec, fault } = await resolveLevel("medium", options);
      assert.equal(fault, undefined);
      assert.ok(spec.kind === "model");
      const model = await findModel(options.root, "made");
      assert.deepEqual(spec.model, model);
      assert.deepEqual(spec.space, spaceOfModel(model, "f16"));
      assert.deepEqual(spec.space.recipe, {
        model_sha256: model.modelSha256,
        tokenizer_sha256: model.tokenizerSha256,
        weights: "fp32",
        pooling: "mean",
        max_tokens: model.maxTokens,
        text: TEXT_VERSION,
      });
      assert.notEqual(spaceOfModel(model, "f32").fingerprint, spec.space.fingerprint);
    });
  });

  test("whose model is not there is heuristic, with the command that adds it", async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withRoot(async (options) => {
      const { spec, fault } = await resolveLevel("high", options);
      assert.equal(spec.kind, "heuristic");
      assert.equal(fault?.code, "model-missing");
      assert.match(fault?.message ?? "", /all-mpnet-base-v2/);
      assert.match(fault?.hint ?? "", /model add/);
    });
  });

  test("without the runtime is heuristic, with the command that adds that, whether the model is there or not", async (t) => {
    withoutRuntime(t);
    await withRoot(async (options, addNamed) => {
      await addNamed("made");
      const { spec, fault } = await resolveLevel("medium", options);
      assert.deepEqual([spec.kind, fault?.code], ["heuristic", "runtime-missing"]);
      assert.match(fault?.hint ?? "", /npm run add-runtime/);
    });
  });

  test("that needs no model needs no runtime", async (t) => {
    withoutRuntime(t);
    await withRoot(async (options) => {
      assert.equal((await resolveLevel("heuristic", options)).fault, undefined);
    });
  });

  test("stands on another ground once its model is added, its file is written or the runtime goes", async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withRoot(async (options, addNamed) => {
      const grounds = [await groundOfLevel("medium", options)];
      await addNamed("made");
      grounds.push(await groundOfLevel("medium", options));
      assert.equal(await groundOfLevel("medium", options), grounds[1]);
      const { modelFile } = await findModel(options.root, "made");
      await utimes(modelFile, new Date(), new Date(2026, 1, 1));
      grounds.push(await groundOfLevel("medium", options));
      await rename(modelFile, `${modelFile}.gone`);
      grounds.push(await groundOfLevel("medium", options));
      withoutRuntime(t);
      grounds.push(await groundOfLevel("medium", options));
      assert.equal(new Set(grounds).size, grounds.length);
    });
  });
});
