// The way from events to a model's vectors, with an encoder and a clock that can be told what to do.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { EventToEmbed } from "../../../shared/embed/embedder.js";
import { ModelEmbedder } from "../../../shared/embed/model-embedder.js";
import { NO_ACTIONS } from "../../../shared/embed/recent-actions.js";
import { composeText } from "../../../shared/embed/text/compose-text.js";
import type { ModelSpace } from "../../../shared/format/space.js";
import { modelSpace } from "../../../shared/format/space.js";

const HEX = "ab".repeat(32);
const SPACE: ModelSpace = modelSpace(
  {
    name: "test",
    dimensions: 2,
    recipe: {
      model_sha256: HEX,
      tokenizer_sha256: HEX,
      weights: "fp32",
      pooling: "mean",
      max_tokens: 128,
      text: "test",
    },
  },
  "f32",
);

const WORDS = ["oak", "elm", "ash", "fir", "yew", "pine", "birch", "beech", "larch", "maple", "cedar", "alder"];

function eventOf(word: string): EventToEmbed {
  const entry = {
    action: "modified",
    element_id: "x:y",
    element_type: "Tree",
    timestamp: "2026-11-20T10:05:00.000000Z",
  };
  return { entry, state: { message: `the ${word} fell` }, recentActions: NO_ACTIONS };
}

const textOf = ({ entry, state }: EventToEmbed) => composeText(entry, state);

/** Takes `textMs` for each text; a text's vector says which it is. */
class FakeEncoder {
  readonly batches: string[][] = [];
  readonly #textMs: number;
  nowMs = 0;
  constructor(textMs = 1) {
    this.#textMs = textMs;
  }
  async encode(texts: readonly string[]): Promise<Float32Array[]> {
    this.batches.push([...texts]);
    this.nowMs += texts.length * this.#textMs;
    return texts.map(vectorOf);
  }
  async close(): Promise<void> {}
}

function vectorOf(text: string): Float32Array {
  return Float32Array.of(text.length, text.charCodeAt(4));
}

class MapCache {
  readonly byText = new Map<string, Float32Array>();
  get(fingerprint: string, texts: readonly string[]) {
    return texts.map((text) => this.byText.get(fingerprint + text));
  }
  put(fingerprint: string, texts: readonly string[], vectors: readonly Float32Array[]) {
    texts.forEach((text, i) => {
      this.byText.set(fingerprint + text, vectors[i] as Float32Array);
    });
  }
  close() {}
}

function embedderOf(encoder: FakeEncoder, cache?: MapCache): ModelEmbedder {
  return new ModelEmbedder({ space: SPACE, encoder, cache, now: () => encoder.nowMs });
}

describe("a model's embedder", () => {
  test("gives each distinct text to the encoder once, and every event its text's vector, in order", async () => {
    const encoder = new FakeEncoder();
    const events = ["oak", "elm", "oak", "oak", "ash", "elm"].map(eventOf);
    const vectors = await embedderOf(encoder).embed(events);
    assert.deepEqual(encoder.batches, [["oak", "elm", "ash"].map((word) => textOf(eventOf(word)))]);
    assert.deepEqual(
      vectors,
      events.map((event) => vectorOf(textOf(event))),
    );
  });

  test("does not give the encoder what the cache has, and gives the cache what it had not", async () => {
    const cache = new MapCache();
    const encoder = new FakeEncoder();
    await embedderOf(encoder, cache).embed(["oak", "elm"].map(eventOf));
    const later = embedderOf(encoder, cache);
    const vectors = await later.embed(["elm", "ash", "oak"].map(eventOf));
    assert.deepEqual(encoder.batches.slice(1), [[textOf(eventOf("ash"))]]);
    assert.deepEqual(
      vectors,
      ["elm", "ash", "oak"].map((word) => vectorOf(textOf(eventOf(word)))),
    );
  });

  test("stops when the time is up, with the first events, and one at least", async () => {
    const encoder = new FakeEncoder(1000);
    const embedder = embedderOf(encoder);
    const events = WORDS.map(eventOf);
    // It takes a text for faster than this encoder is: the first group is the time's, by what is thought of it.
    const first = await embedder.embed(events, 30);
    assert.equal(first.length, 2);
    assert.deepEqual(first[1], vectorOf(textOf(events[1] as EventToEmbed)));
    assert.equal((await embedder.embed(events.slice(2), 30)).length, 1);
    assert.equal((await embedder.embed(events.slice(3), 0)).length, 1);
    assert.equal((await embedder.embed(events.slice(4))).length, 8);
  });

  test("learns how long a text takes, so that groups fill the time and no more", async () => {
    const encoder = new FakeEncoder(10);
    const embedder = embedderOf(encoder);
    for (let i = 0; i < 20; i += 1) await embedder.embed([eventOf(WORDS[i % WORDS.length] as string)], 100);
    const beganMs = encoder.nowMs;
    assert.equal((await embedder.embed(WORDS.map(eventOf), 100)).length, 10);
    assert.equal(encoder.nowMs - beganMs, 100);
  });
});
