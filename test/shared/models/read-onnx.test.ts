import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type OnnxFacts, readOnnx } from "../../../shared/models/read-onnx.js";
import { ONNX_TYPE, type OnnxParts, onnxBytes } from "../../support/onnx-bytes.js";
import { withFolder } from "../../support/with-folder.js";

test("inputs, outputs and the bytes of each kind of weights are read", async () => {
  const facts = await factsOf({
    inputs: ["input_ids", "attention_mask", "token_type_ids"],
    outputs: [
      ["last_hidden_state", [0, 0, 384]],
      ["pooler_output", [0, 384]],
    ],
    tensors: [
      { type: ONNX_TYPE.float, elements: 10 },
      { type: ONNX_TYPE.int8, elements: 5000 },
      { type: ONNX_TYPE.uint8, elements: 3 },
    ],
  });
  assert.deepEqual(facts, {
    inputs: ["input_ids", "attention_mask", "token_type_ids"],
    outputs: [
      { name: "last_hidden_state", width: 384 },
      { name: "pooler_output", width: 384 },
    ],
    weightBytes: { fp32: 40, int8: 5003, fp16: 0, other: 0 },
    hasNarrowWeights: false,
    hasExternalData: false,
  });
});

test("weights in another file, and weights of four bits, are seen", async () => {
  const outside = await factsOf({ tensors: [{ type: ONNX_TYPE.float, elements: 9, external: true }] });
  assert.equal(outside.hasExternalData, true);
  assert.equal((await factsOf({ operators: ["Add", "MatMulNBits"] })).hasNarrowWeights, true);
});

test("a width that is not fixed is unknown", async () => {
  const { outputs } = await factsOf({ outputs: [["last_hidden_state", [0, 0, 0]]] });
  assert.deepEqual(outputs, [{ name: "last_hidden_state", width: undefined }]);
});

test("a file that is cut anywhere is refused, and none is read past its end", async () => {
  const whole = onnxBytes();
  await withFolder(async (folder) => {
    const path = join(folder, "cut.onnx");
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      assert.throws(() => readOnnx(path), { code: "model-unfit" }, `cut at ${length}`);
    }
    await writeFile(path, whole);
    readOnnx(path);
  });
});

test("what is no ONNX file is refused: a pointer of Git LFS, a page, lengths that lie", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.onnx");
    const lying = Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    for (const content of ["version https://git-lfs.github.com/spec/v1\n", "<!doctype html><p>Not found", lying]) {
      await writeFile(path, content);
      assert.throws(() => readOnnx(path), { code: "model-unfit", hint: /cut|pointer/ });
    }
  });
});

async function factsOf(parts: OnnxParts): Promise<OnnxFacts> {
  return withFolder(async (folder) => {
    const path = join(folder, "model.onnx");
    await writeFile(path, onnxBytes(parts));
    return readOnnx(path);
  });
}
