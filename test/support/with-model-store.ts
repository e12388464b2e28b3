// A store in a plain folder whose vectors a small model made, the model among the root's own, and an engine that answers
// from them: questions are embedded as they are on a replica.
import { join } from "node:path";
import { SentenceEncoder } from "../../shared/embed/onnx/sentence-encoder.js";
import { composeText, TEXT_VERSION } from "../../shared/embed/text/compose-text.js";
import { type ModelSpace, modelSpace } from "../../shared/format/space.js";
import { createLogger } from "../../shared/log.js";
import { addModel } from "../../shared/models/add-model.js";
import { findModel } from "../../shared/models/model-store.js";
import type { StoredModel } from "../../shared/models/stored-model.js";
import { QueryEngine } from "../../shared/query/engine.js";
import { StoreBuilder, type TestEvent } from "./build-store.js";
import { makeModel } from "./make-model.js";
import { withFolder } from "./with-folder.js";

export interface ModelStore {
  root: string;
  model: StoredModel;
  space: ModelSpace;
  builder: StoreBuilder;
  engine: QueryEngine;
  /** Seals more events, with vectors unless `bare`, and has the engine answer from them. */
  add(events: readonly TestEvent[], bare?: boolean): Promise<void>;
}

const MODEL = "test-words";

export async function withModelStore(
  events: readonly TestEvent[],
  use: (store: ModelStore) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    await makeModel(join(folder, MODEL), { dimensions: 64 });
    await addModel({ root, source: join(folder, MODEL), maxBytes: 2 ** 30, signal: new AbortController().signal });
    const model = await findModel(root, MODEL);
    const space = modelSpace({ name: MODEL, dimensions: model.dimensions, recipe: recipeOf(model) }, "f32");
    const uuid = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d0c";
    const builder = await StoreBuilder.create({ root, uuid, space });
    const encoder = await SentenceEncoder.open(model);
    const engine = new QueryEngine({ root, indexProcesses: 1, log: createLogger("error", () => true) });
    const add = async (more: readonly TestEvent[], bare = false) => {
      const { generation } = await builder.seal(bare ? more : await withVectors(more, encoder));
      await engine.promoted(uuid, generation);
    };
    try {
      await builder.seal(await withVectors(events, encoder));
      await engine.start();
      await use({ root, model, space, builder, engine, add });
    } finally {
      await engine.stop();
      await encoder.close();
    }
  });
}

function recipeOf(model: StoredModel): ModelSpace["recipe"] {
  const { modelSha256: model_sha256, tokenizerSha256: tokenizer_sha256, weights, pooling, maxTokens } = model;
  return { model_sha256, tokenizer_sha256, weights, pooling, max_tokens: maxTokens, text: TEXT_VERSION };
}

async function withVectors(events: readonly TestEvent[], encoder: SentenceEncoder): Promise<TestEvent[]> {
  const texts = events.map(({ element, type = "NetworkInterface", action = "modified", state }) =>
    composeText({ element_id: element, element_type: type, action }, state),
  );
  const distinct = [...new Set(texts)];
  const vectors = await encoder.encode(distinct);
  return events.map((event, i) => ({
    ...event,
    vector: vectors[distinct.indexOf(texts[i] as string)] as Float32Array,
  }));
}
