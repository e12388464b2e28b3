import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SentenceEncoder } from "../../../../shared/embed/onnx/sentence-encoder.js";
import type { StoredModel } from "../../../../shared/models/stored-model.js";
import { type ModelOptions, makeStoredModel, referenceOf, storedModelOf } from "../../../support/make-model.js";
import { encodeByReference } from "../../../support/model/reference-encoder.js";
import { MODEL_RUNTIME, requirePart } from "../../../support/require-part.js";
import { withFolder } from "../../../support/with-folder.js";

const TEXTS = [
  "interface eth0 lost its carrier",
  "the ethernet cable is gone",
  "password refused for user root",
  "a",
  "unit nginx.service entered failed state: exit-code, status=203/EXEC, after 1017 ms; it was restarted 5 times",
  "vm booted",
  "user root began a session on host pve1",
];

const KINDS: readonly (ModelOptions & { title: string })[] = [
  { title: "fp32, 384 dimensions", weights: "fp32", dimensions: 384 },
  { title: "int8, 384 dimensions", weights: "int8", dimensions: 384 },
  { title: "fp32, 768 dimensions, without token types", weights: "fp32", dimensions: 768, tokenTypes: false },
  { title: "int8, 768 dimensions, without token types", weights: "int8", dimensions: 768, tokenTypes: false },
];

for (const { title, ...kind } of KINDS) {
  test(`${title}: vectors are those that the model's numbers give, computed without the runtime`, async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withEncoder(kind, async (encoder) => {
      const reference = referenceOf(kind);
      const vectors = await encoder.encode(TEXTS);
      for (const [i, text] of TEXTS.entries()) {
        const vector = vectors[i] as Float32Array;
        assert.equal(vector.length, kind.dimensions);
        assert.ok(Math.abs(dot(vector, vector) - 1) < 1e-5, "of length 1");
        const cosine = dot(vector, encodeByReference(reference, text));
        assert.ok(cosine > 0.9999, `${text}: cosine ${cosine}`);
      }
    });
  });

  test(`${title}: a text has the same vector alone and among others`, async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withEncoder(kind, async (encoder) => {
      // Neighbours of other lengths and with larger values; some of them twice, one a hundred times as long.
      const among = await encoder.encode([...TEXTS, "x y z ".repeat(30), ...TEXTS.toReversed(), "disk ".repeat(300)]);
      for (const [i, text] of TEXTS.entries()) {
        const alone = (await encoder.encode([text]))[0] as Float32Array;
        for (const place of [i, 2 * TEXTS.length - i]) {
          const distance = Math.max(...alone.map((value, k) => Math.abs(value - (among[place]?.[k] as number))));
          assert.ok(distance < (kind.weights === "int8" ? 1e-9 : 1e-6), `${text}: off by ${distance}`);
        }
      }
    });
  });
}

test("words that mean the same are near, others are not", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withEncoder({ weights: "int8" }, async (encoder) => {
    const [event, same, other] = (await encoder.encode(TEXTS)) as [Float32Array, Float32Array, Float32Array];
    assert.ok(dot(event, same) > 0.7, `the same in other words: ${dot(event, same)}`);
    assert.ok(dot(event, other) < 0.3, `something else: ${dot(event, other)}`);
  });
});

test("any string is a text", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const strange = {
    nothing: "",
    "spaces only": " \t\n\u00a0",
    "a lone surrogate": "carrier \ud800 lost \udfff",
    "zero bytes": "\0\0\0",
    emoji: "🦊 on 🔥",
    Chinese: "網路卡失去連線",
    "right to left": "فقدت الشبكة",
    "the tokenizer's own words": "[CLS] [SEP] [PAD] [MASK] ##lost",
    "100,000 letters": "a".repeat(100_000),
    "100,000 characters in words": "the link is gone ".repeat(6000).slice(0, 100_000),
    "100,000 lone surrogates": "\ud800".repeat(100_000),
  };
  await withEncoder({}, async (encoder) => {
    const vectors = await encoder.encode(Object.values(strange));
    for (const [i, name] of Object.keys(strange).entries()) {
      const vector = vectors[i] as Float32Array;
      assert.ok(Math.abs(dot(vector, vector) - 1) < 1e-5, name);
    }
    assert.deepEqual(await encoder.encode([]), []);
  });
});

test("a text counts up to the model's limit, whatever limit its tokenizer.json has", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const options = { maxTokens: 40 };
  await withEncoder(options, async (encoder) => {
    // 38 words fit: beside them stand the start and the end. The file itself says 16.
    const words = (count: number) => Array.from({ length: count }, (_, i) => (i % 2 ? "lost" : "disk")).join(" ");
    const [short, full, over] = (await encoder.encode([
      `${words(37)}`,
      `${words(37)} firewall`,
      `${words(37)} firewall ${"password ".repeat(100)}`,
    ])) as [Float32Array, Float32Array, Float32Array];
    assert.ok(dot(full, over) > 0.999999, "what is behind the limit does not count");
    assert.ok(dot(short, full) < 0.9999, "what is before it does");
    assert.ok(dot(full, encodeByReference(referenceOf(options), `${words(37)} firewall`)) > 0.9999);
  });
});

test("a model file that was changed, cut or removed is not opened", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const model = await makeStoredModel(join(folder, "m"), { dimensions: 32 });
    const bytes = await readFile(model.modelFile);
    const flipped = Buffer.from(bytes);
    // In the middle of the numbers: it would load, and every vector would be another.
    flipped.writeUInt8(flipped.readUInt8(bytes.length >> 1) ^ 64, bytes.length >> 1);
    for (const damaged of [flipped, bytes.subarray(0, bytes.length >> 1), Buffer.alloc(0)]) {
      await writeFile(model.modelFile, damaged);
      await assert.rejects(SentenceEncoder.open(model), { code: "model-damaged", message: /is not what was added$/ });
    }
    await rm(model.modelFile);
    await assert.rejects(SentenceEncoder.open(model), { code: "model-damaged", message: /ENOENT/, hint: /model add/ });
    await writeFile(model.modelFile, bytes);
    await writeFile(model.tokenizerFile, "{}");
    await assert.rejects(SentenceEncoder.open(model), { code: "model-damaged", message: /tokenizer\.json is not/ });
  });
});

const FLAWS: readonly { title: string; options: ModelOptions; message: RegExp }[] = [
  { title: "vectors that are not numbers", options: { flaw: "nan" }, message: /not a number/ },
  {
    title: "one vector a text only",
    options: { flaw: "pooled-output" },
    message: /output is 1 × 32, where 1 × \d+ × 32/,
  },
  {
    title: "no output of tokens",
    options: { flaw: "other-output-name" },
    message: /no output last_hidden_state.* only logits$/,
  },
  { title: "an input that texts do not have", options: { flaw: "unknown-input" }, message: /an input pixel_values/ },
  { title: "other dimensions than it says", options: { claimedDimensions: 48 }, message: /× 32, where .* × 48/ },
];

for (const { title, options, message } of FLAWS) {
  test(`a model with ${title} is refused before it is used, and told why`, async (t) => {
    if (!(await requirePart(t, MODEL_RUNTIME))) return;
    await withFolder(async (folder) => {
      const model = await makeStoredModel(join(folder, "m"), { dimensions: 32, ...options });
      await assert.rejects(SentenceEncoder.open(model), { name: "EmbedError", code: "model-unfit", message });
    });
  });
}

test("files that are whole but no model, or no tokenizer of this kind, are told from damaged ones", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const model = await makeStoredModel(join(folder, "m"), { dimensions: 32 });
    const [graph, tokenizer] = [await readFile(model.modelFile), await readFile(model.tokenizerFile, "utf8")];
    await writeFile(model.modelFile, "<html>404</html>");
    await assert.rejects(openAgain(model), { code: "model-unfit", message: /cannot be opened: / });
    await writeFile(model.modelFile, graph);
    const bare = { ...JSON.parse(tokenizer), post_processor: null };
    for (const wrong of ["not json", "{}", JSON.stringify(bare)]) {
      await writeFile(model.tokenizerFile, wrong);
      await assert.rejects(openAgain(model), {
        code: "model-unfit",
        message: /^the tokenizer of model m cannot be used: /,
      });
    }
  });
});

test("a tokenizer of another model is refused, or its first unknown id is", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const model = await makeStoredModel(join(folder, "m"), { dimensions: 32 });
    const tokenizer = JSON.parse(await readFile(model.tokenizerFile, "utf8"));
    tokenizer.model.vocab.first = 30_000;
    await writeFile(model.tokenizerFile, JSON.stringify(tokenizer));
    await assert.rejects(openAgain(model), { code: "model-unfit", message: /it does not run: .*out of/ });
  });
});

test("without the runtime a model is not opened, and the command that adds it is named", async (t) => {
  await withFolder(async (folder) => {
    const model = await makeStoredModel(join(folder, "m"), { dimensions: 32 });
    const before = process.env.ISOCHRON_RUNTIME;
    t.after(() => {
      if (before === undefined) delete process.env.ISOCHRON_RUNTIME;
      else process.env.ISOCHRON_RUNTIME = before;
    });
    process.env.ISOCHRON_RUNTIME = folder;
    await assert.rejects(SentenceEncoder.open(model), { code: "runtime-missing", hint: /npm run add-runtime/ });
  });
});

test("what was closed encodes nothing more", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withFolder(async (folder) => {
    const encoder = await SentenceEncoder.open(await makeStoredModel(join(folder, "m"), { dimensions: 32 }));
    const running = encoder.encode(TEXTS);
    await encoder.close();
    await assert.rejects(running, /^Error: the encoder is closed$/);
    await assert.rejects(encoder.encode(["a text"]), /^Error: the encoder is closed$/);
  });
});

/** With the hashes of what its files are now. */
async function openAgain(model: StoredModel): Promise<SentenceEncoder> {
  return SentenceEncoder.open(await storedModelOf(model.dir, model.name, model));
}

async function withEncoder(options: ModelOptions, body: (encoder: SentenceEncoder) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const encoder = await SentenceEncoder.open(await makeStoredModel(join(folder, "model"), options));
    try {
      await body(encoder);
    } finally {
      await encoder.close();
    }
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}
