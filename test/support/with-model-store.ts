// A store in a plain folder whose vectors a small model made, the model among the root's own, and an engine that answers
// from them: questions are embedded as they are on a replica.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SentenceEncoder } from "../../shared/embed/onnx/sentence-encoder.js";
import { composeText, TEXT_VERSION } from "../../shared/embed/text/compose-text.js";
import { formatSpace, type ModelSpace, modelSpace, spaceName } from "../../shared/format/space.js";
import { formatRows } from "../../shared/format/vector-row.js";
import { createLogger } from "../../shared/log.js";
import { addModel } from "../../shared/models/add-model.js";
import { findModel } from "../../shared/models/model-store.js";
import type { StoredModel } from "../../shared/models/stored-model.js";
import { QueryEngine } from "../../shared/query/engine.js";
import { StoreBuilder, type TestEvent } from "./build-store.js";
import { type ModelOptions, makeModel } from "./make-model.js";
import { withFolder } from "./with-folder.js";

export interface ModelStore {
  root: string;
  model: StoredModel;
  space: ModelSpace;
  builder: StoreBuilder;
  engine: QueryEngine;
  /** Seals more events, with vectors unless `bare`, and has the engine answer from them. */
  add(events: readonly TestEvent[], bare?: boolean): Promise<void>;
  /** Adds another model, and a space of its vectors to the generation on disk: of these events, by their numbers. */
  addSpace(options: ModelOptions, events: readonly (readonly [number, TestEvent])[]): Promise<void>;
}

const MODEL = "test-words";
const OTHER = "other-words";

export async function withModelStore(
  events: readonly TestEvent[],
  use: (store: ModelStore) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    const { model, space } = await addMadeModel(folder, MODEL, { dimensions: 64 });
    const uuid = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d0c";
    const builder = await StoreBuilder.create({ root, uuid, space });
    const encoder = await SentenceEncoder.open(model);
    const engine = new QueryEngine({ root, indexProcesses: 1, log: createLogger("error", () => true) });
    const add = async (more: readonly TestEvent[], bare = false) => {
      const { generation } = await builder.seal(bare ? more : await withVectors(more, encoder));
      await engine.promoted(uuid, generation);
    };
    const addSpace: ModelStore["addSpace"] = async (options, of) => {
      const other = await addMadeModel(folder, OTHER, options);
      await writeSpace(builder, other, of);
    };
    try {
      await builder.seal(await withVectors(events, encoder));
      await engine.start();
      await use({ root, model, space, builder, engine, add, addSpace });
    } finally {
      await engine.stop();
      await encoder.close();
    }
  });
}

interface MadeModel {
  model: StoredModel;
  space: ModelSpace;
}

async function addMadeModel(folder: string, name: string, options: ModelOptions): Promise<MadeModel> {
  const root = join(folder, "root");
  await makeModel(join(folder, name), options);
  await addModel({ root, source: join(folder, name), maxBytes: 2 ** 30, signal: new AbortController().signal });
  const model = await findModel(root, name);
  return { model, space: modelSpace({ name, dimensions: model.dimensions, recipe: recipeOf(model) }, "f32") };
}

async function writeSpace(
  { layout, generation }: StoreBuilder,
  { model, space }: MadeModel,
  of: readonly (readonly [number, TestEvent])[],
): Promise<void> {
  const encoder = await SentenceEncoder.open(model);
  const events = await withVectors(
    of.map(([, event]) => event),
    encoder,
  );
  await encoder.close();
  const rows = events.map(({ vector }, i) => ({ seq: of[i]?.[0] as number, vector: vector as Float32Array }));
  const tree = layout.generation(generation);
  const name = spaceName(space);
  await mkdir(tree.space(name));
  await writeFile(tree.spaceFile(name), formatSpace(space));
  await writeFile(tree.rows(name, 0), formatRows(rows, space));
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
