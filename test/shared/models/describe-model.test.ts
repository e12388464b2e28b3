import assert from "node:assert/strict";
import { test } from "node:test";
import { type DescribeOptions, describeModel } from "../../../shared/models/describe-model.js";
import type { OnnxFacts } from "../../../shared/models/read-onnx.js";

const MEAN = { pooling_mode_cls_token: false, pooling_mode_mean_tokens: true, pooling_mode_max_tokens: false };
const BERT = { model_type: "bert", hidden_size: 384, max_position_embeddings: 512 };

test("a whole repository describes itself", () => {
  const documents = { config: BERT, pooling: MEAN, sentenceBert: { max_seq_length: 256 }, modules: modules("Pooling") };
  assert.deepEqual(describe({ documents }), { weights: "fp32", dimensions: 384, pooling: "mean", maxTokens: 256 });
});

test("where the files are silent a known card speaks, and never above what the files say", () => {
  assert.equal(describe({ documents: { config: BERT }, names: ["all-MiniLM-L6-v2"] }).maxTokens, 256);
  assert.equal(describe({ documents: { config: BERT }, names: ["mine", "paraphrase-MiniLM-L3-v2"] }).maxTokens, 128);
  const said = { config: BERT, sentenceBert: { max_seq_length: 64 } };
  assert.equal(describe({ documents: said, names: ["all-MiniLM-L6-v2"] }).maxTokens, 64);
});

test("the length comes from the tokenizer last, and is never above the model's positions", () => {
  const lengthOf = (documents: DescribeOptions["documents"]) =>
    describe({ documents: { pooling: MEAN, ...documents } }).maxTokens;
  assert.equal(lengthOf({ config: BERT, tokenizerConfig: { model_max_length: 128 } }), 128);
  assert.equal(lengthOf({ config: BERT, tokenizerConfig: { model_max_length: 1e30 } }), 512);
  assert.equal(lengthOf({ config: BERT, tokenizer: { truncation: { max_length: 100 } } }), 100);
  assert.equal(lengthOf({ config: BERT, sentenceBert: { max_seq_length: 8192 } }), 512);
  const mpnet = { model_type: "mpnet", hidden_size: 384, max_position_embeddings: 514 };
  assert.equal(lengthOf({ config: mpnet, sentenceBert: { max_seq_length: 514 } }), 512);
  assert.equal(lengthOf({}), 512);
});

test("a pooling other than the mean is refused by its name, and an unknown one is asked for", () => {
  const unfit = (documents: DescribeOptions["documents"], message: RegExp) =>
    assert.throws(() => describe({ documents }), { code: "model-unfit", message });
  unfit({ config: BERT, pooling: { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false } }, /by cls/);
  unfit({ config: BERT, pooling: { ...MEAN, pooling_mode_max_tokens: true } }, /mean and max|max and mean/);
  unfit({ config: BERT, pooling: { pooling_mode: "lasttoken" } }, /by lasttoken/);
  unfit({ config: BERT }, /1_Pooling/);
  assert.equal(describe({ documents: { config: BERT }, pooling: "mean" }).pooling, "mean");
  assert.equal(describe({ documents: { config: BERT, pooling: { pooling_mode: "mean" } } }).pooling, "mean");
});

test("what the operator says does not outdo a file that says otherwise", () => {
  const documents = { config: BERT, pooling: { pooling_mode_cls_token: true } };
  assert.throws(() => describe({ documents, pooling: "mean" }), { code: "model-unfit" });
});

test("a dense layer behind the pooling is refused rather than left out", () => {
  const documents = { config: BERT, pooling: MEAN, modules: modules("Pooling", "Dense") };
  assert.throws(() => describe({ documents }), { code: "model-unfit", message: /Dense/ });
});

test("weights are told by what is in the file, and what was asked for must be that", () => {
  const weightsOf = (fp32: number, int8: number) =>
    describe({ onnx: onnx({ weightBytes: { fp32, int8, fp16: 0, other: 0 } }), names: ["all-MiniLM-L6-v2"] }).weights;
  assert.equal(weightsOf(90e6, 0), "fp32");
  assert.equal(weightsOf(90e6, 100), "fp32");
  assert.equal(weightsOf(47e6, 10e6), "int8");
  const asked = () => describe({ weights: "int8", names: ["all-MiniLM-L6-v2"] });
  assert.throws(asked, { code: "model-unfit", message: /fp32, not int8/ });
});

test("half precision, narrow weights and weights in another file are refused in words", () => {
  const refused = (facts: Partial<OnnxFacts>, message: RegExp) =>
    assert.throws(() => describe({ onnx: onnx(facts), names: ["all-MiniLM-L6-v2"] }), { code: "model-unfit", message });
  refused({ weightBytes: { fp32: 10, int8: 0, fp16: 100, other: 0 } }, /half precision/);
  refused({ hasNarrowWeights: true }, /less than 8 bits/);
  refused({ hasExternalData: true }, /another file/);
  refused({ inputs: ["pixel_values"] }, /pixel_values/);
  refused({ outputs: [{ name: "sentence_embedding", width: 384 }] }, /sentence_embedding/);
});

test("dimensions are those of the .onnx file or of config.json, and the two must agree", () => {
  const open = onnx({ outputs: [{ name: "last_hidden_state", width: undefined }] });
  const named = { names: ["all-MiniLM-L6-v2"] };
  assert.equal(describe({ ...named, onnx: open, documents: { config: { hidden_size: 768 } } }).dimensions, 768);
  assert.equal(describe({ ...named, onnx: open, documents: { config: { dim: 312 } } }).dimensions, 312);
  assert.throws(() => describe({ ...named, onnx: open }), { code: "model-unfit", hint: /config\.json/ });
  const other = { config: { hidden_size: 768 } };
  assert.throws(() => describe({ ...named, documents: other }), { code: "model-unfit", message: /768.*384/ });
});

function describe(options: Partial<DescribeOptions>) {
  return describeModel({ onnx: onnx({}), documents: {}, names: ["mine"], ...options });
}

function onnx(facts: Partial<OnnxFacts>): OnnxFacts {
  return {
    inputs: ["input_ids", "attention_mask"],
    outputs: [{ name: "last_hidden_state", width: 384 }],
    weightBytes: { fp32: 1000, int8: 0, fp16: 0, other: 0 },
    hasNarrowWeights: false,
    hasExternalData: false,
    ...facts,
  };
}

function modules(...types: string[]) {
  return ["Transformer", ...types].map((type, idx) => ({ idx, type: `sentence_transformers.models.${type}` }));
}
