// The encoder on the real MiniLM-L6, where it lies beside the project, against vectors made by other programs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { loadRuntime } from "../../../../shared/embed/onnx/load-runtime.js";
import { openTokenizer } from "../../../../shared/embed/onnx/open-tokenizer.js";
import { SentenceEncoder } from "../../../../shared/embed/onnx/sentence-encoder.js";
import type { StoredModel } from "../../../../shared/models/stored-model.js";
import { MODEL_RUNTIME, requirePart } from "../../../support/require-part.js";
import { sharedModel, testWithModel } from "../../../support/shared-model.js";

const NAME = "all-MiniLM-L6-v2";

interface ReferenceRow {
  text: string;
  tokens: number;
  first_tokens: number[];
  fp32: number[];
  int8: number[];
}

testWithModel(NAME, "token ids are those of the model's own tokenizer, cut where its card says", async (t) => {
  const model = await requireModel(t);
  if (!model) return;
  const tokenizer = await openTokenizer(model, loadRuntime());
  for (const { text, tokens, first_tokens } of await readReference(model)) {
    const ids = tokenizer.idsOf(text);
    assert.equal(ids.length, tokens, text);
    assert.deepEqual(ids.slice(0, first_tokens.length), first_tokens, text);
  }
});

testWithModel(NAME, "vectors are those of the reference: int8 the same, fp32 as near as int8 comes", async (t) => {
  const model = await requireModel(t);
  if (!model) return;
  const encoder = await SentenceEncoder.open(model);
  t.after(() => encoder.close());
  const rows = await readReference(model);
  const vectors = await encoder.encode(rows.map(({ text }) => text));
  for (const [i, { text, int8, fp32 }] of rows.entries()) {
    const vector = vectors[i] as Float32Array;
    assert.ok(cosine(vector, int8) >= 0.9999, `${text}: ${cosine(vector, int8)} to int8`);
    assert.ok(cosine(vector, fp32) >= 0.98, `${text}: ${cosine(vector, fp32)} to fp32`);
  }
});

testWithModel(NAME, "a question in other words is nearer to its event than to others", async (t) => {
  const model = await requireModel(t);
  if (!model) return;
  const encoder = await SentenceEncoder.open(model);
  t.after(() => encoder.close());
  const [question, event, ...others] = (await encoder.encode([
    "someone typed a wrong password",
    "authentication failure for user root",
    "interface eth0 lost its carrier",
    "package openssh-server upgraded",
  ])) as [Float32Array, Float32Array, ...Float32Array[]];
  for (const other of others) assert.ok(cosine(question, event) > cosine(question, other) + 0.1);
});

async function requireModel(t: TestContext): Promise<StoredModel | undefined> {
  if (!(await requirePart(t, MODEL_RUNTIME))) return undefined;
  return sharedModel(NAME);
}

async function readReference({ dir }: StoredModel): Promise<ReferenceRow[]> {
  return JSON.parse(await readFile(join(dir, "reference.json"), "utf8")).rows;
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((s, v, i) => s + v * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
