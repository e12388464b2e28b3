import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseFiles, type ModelChoice } from "../../../shared/models/choose-files.js";

const HUB = ["config.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json", "model.safetensors"];

test("a hub's repository, a flat folder and a package each give their model with what stands beside it", () => {
  assert.deepEqual(choose([...HUB, "onnx/model.onnx"]), {
    dir: "",
    model: "onnx/model.onnx",
    side: ["1_Pooling/config.json", "config.json", "tokenizer.json", "tokenizer_config.json"],
  });
  assert.deepEqual(choose(["tokenizer.json", "any.onnx"]), { dir: "", model: "any.onnx", side: ["tokenizer.json"] });
  const inPackage = ["pkg/__init__.py", "pkg/data/mini/tokenizer.json", "pkg/data/mini/model.onnx", "config.json"];
  const found = { dir: "pkg/data/mini", model: "pkg/data/mini/model.onnx", side: ["pkg/data/mini/tokenizer.json"] };
  assert.deepEqual(choose(inPackage), found);
  assert.equal(choose(["onnx/tokenizer.json", "onnx/model.onnx"]).dir, "onnx");
});

test("of several variants the weights choose, the usual name first", () => {
  const variants = ["model.onnx", "model_O4.onnx", "model_O2.onnx", "model_quantized.onnx", "model_uint8.onnx"];
  const files = [...HUB, ...variants.map((name) => `onnx/${name}`)];
  assert.equal(choose(files, { weights: "fp32" }).model, "onnx/model.onnx");
  assert.equal(choose(files, { weights: "int8" }).model, "onnx/model_quantized.onnx");
  assert.equal(choose(files, { file: "onnx/model_O2.onnx" }).model, "onnx/model_O2.onnx");
  const odd = [...HUB, "onnx/model.onnx", "onnx/model_qint8_avx512.onnx"];
  assert.equal(choose(odd, { weights: "int8" }).model, "onnx/model_qint8_avx512.onnx");
});

test("a choice that is open ends in an error that lists what there is", () => {
  const files = [...HUB, "onnx/model.onnx", "onnx/model_quantized.onnx"];
  const listed = { code: "model-unfit", message: /onnx\/model\.onnx, onnx\/model_quantized\.onnx/, hint: /--weights/ };
  assert.throws(() => choose(files), listed);
  const twoInt8 = [...HUB, "onnx/a_int8.onnx", "onnx/b_int8.onnx"];
  assert.throws(() => choose(twoInt8, { weights: "int8" }), { code: "model-unfit", hint: /--file/ });
  assert.throws(() => choose(files, { file: "onnx/other.onnx" }), { code: "model-unfit", hint: /model_quantized/ });
});

test("one .onnx file is taken whatever its name says: what its weights are is looked up in it", () => {
  assert.equal(choose([...HUB, "onnx/model_quantized.onnx"], { weights: "fp32" }).model, "onnx/model_quantized.onnx");
});

test("a model without tokenizer.json, and a folder without a model, are refused", () => {
  assert.throws(() => choose(["model.onnx", "vocab.txt"]), { code: "model-unfit", message: /tokenizer\.json/ });
  assert.throws(() => choose(HUB), { code: "model-unfit", message: /no \.onnx/ });
});

function choose(paths: string[], choice: ModelChoice = {}) {
  const files = paths.map((path) => ({ path, sizeBytes: 1 }));
  const { dir, model, side } = chooseFiles(files, choice);
  return {
    dir,
    model: model.path,
    side: Object.values(side)
      .map(({ path }) => path)
      .sort(),
  };
}
