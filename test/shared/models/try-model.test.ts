import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { addModel } from "../../../shared/models/add-model.js";
import { readReference } from "../../../shared/models/read-reference.js";
import type { StoredModel } from "../../../shared/models/stored-model.js";
import { tryModel } from "../../../shared/models/try-model.js";
import { type ModelOptions, makeModel, referenceOf } from "../../support/make-model.js";
import { encodeByReference } from "../../support/model/reference-encoder.js";
import { MODEL_RUNTIME, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

const TEXTS = ["interface lost its carrier", "someone typed a wrong password", ""];
const NEVER = new AbortController().signal;

for (const options of [{}, { weights: "int8" }, { dimensions: 768, tokenTypes: false }] as ModelOptions[]) {
  test(`a made model (${JSON.stringify(options)}) is added as what it is, runs, and gives its reference vectors`, async (t) => {
    await withAdded(t, options, async (model) => {
      assert.deepEqual([model.weights, model.dimensions], [options.weights ?? "fp32", options.dimensions ?? 384]);
      const { isGood, reference, triples, textMs, memoryBytes } = await tryModel(model, NEVER);
      assert.equal(isGood, true);
      assert.equal(reference?.texts, TEXTS.length);
      assert.ok(triples.every(({ toRelated, toUnrelated }) => toRelated > toUnrelated));
      assert.ok(textMs > 0 && memoryBytes >= 0);
    });
  });
}

test("a model that gives other vectors than its reference is not good", async (t) => {
  await withAdded(t, { seed: 2 }, async (model) => assert.equal((await tryModel(model, NEVER)).isGood, false), 1);
});

test("a model whose file was changed is damaged, and is not run", async (t) => {
  await withAdded(t, {}, async (model) => {
    const bytes = await readFile(model.modelFile);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    await writeFile(model.modelFile, bytes);
    await assert.rejects(tryModel(model, NEVER), { code: "model-damaged", message: /model\.onnx/ });
  });
});

test("a reference is read by the model's weights, else by the original ones; one that does not fit is refused", () => {
  const model = { weights: "int8", dimensions: 2 } as const;
  const both = { text: "a", fp32: [1, 0], int8: [0, 1] };
  const read = (...rows: object[]) => readReference(JSON.stringify({ rows }), model);
  assert.deepEqual(read(both), { rows: [{ text: "a", vector: [0, 1] }], asked: 0.99 });
  assert.deepEqual(read({ text: "a", fp32: [1, 0] }), { rows: [{ text: "a", vector: [1, 0] }], asked: 0.98 });
  for (const rows of [[], [{ text: "a" }], [{ ...both, int8: [1] }], [{ text: 1, int8: [0, 1] }]]) {
    assert.throws(() => read(...rows), { code: "model-unfit", message: /reference\.json/ });
  }
  assert.throws(() => readReference("{", model), { code: "model-unfit" });
});

/** A model made and added, with the vectors of a model of `referenceSeed` as its reference. */
async function withAdded(
  t: TestContext,
  options: ModelOptions,
  body: (model: StoredModel) => Promise<void>,
  referenceSeed = options.seed,
): Promise<void> {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const dir = join(folder, "made");
    await makeModel(dir, options);
    const reference = referenceOf({ ...options, ...(referenceSeed === undefined ? {} : { seed: referenceSeed }) });
    const rows = TEXTS.map((text) => {
      return { text, [options.weights ?? "fp32"]: [...encodeByReference(reference, text)] };
    });
    await writeFile(join(dir, "reference.json"), JSON.stringify({ rows }));
    const added = await addModel({ root: join(folder, "root"), source: dir, maxBytes: 2 ** 30, signal: NEVER });
    await body(added.model);
  });
}
