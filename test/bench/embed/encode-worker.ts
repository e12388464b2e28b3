// A process that encodes the same texts again and again, by the encoder or by the runtime alone, when it is told to. Its
// task is its argument.
import {
  type InferenceSession,
  loadRuntime,
  type Runtime,
  type Tensor,
} from "../../../shared/embed/onnx/load-runtime.js";
import { openTokenizer } from "../../../shared/embed/onnx/open-tokenizer.js";
import { batchBounds, planBatches } from "../../../shared/embed/onnx/plan-batches.js";
import { SentenceEncoder } from "../../../shared/embed/onnx/sentence-encoder.js";
import type { StoredModel } from "../../../shared/models/stored-model.js";
import type { EncodeReply, EncodeTask, EncodeWay } from "./encode-protocol.js";

const { model, texts } = JSON.parse(process.argv[2] as string) as EncodeTask;
const encoder = await SentenceEncoder.open(model);
// The second session is opened when the first bare run is asked for: until then the memory is a worker's.
let bare: (() => Promise<void>) | undefined;
const ways: Record<EncodeWay, () => Promise<unknown>> = {
  ours: () => encoder.encode(texts),
  bare: async () => {
    bare ??= await openBare(model, texts);
    await bare();
  },
};

process.on("message", (way: EncodeWay) => void time(way).then(reply));
process.on("disconnect", () => process.exit(0));
reply("ready");

async function time(way: EncodeWay): Promise<EncodeReply> {
  const began = performance.now();
  const before = process.cpuUsage();
  await ways[way]();
  const { user, system } = process.cpuUsage(before);
  return {
    seconds: (performance.now() - began) / 1000,
    processorSeconds: (user + system) / 1e6,
    memoryMib: process.memoryUsage.rss() / 2 ** 20,
  };
}

function reply(message: EncodeReply): void {
  process.send?.(message);
}

/** The same options as the encoder's; tokens and tensors are made before. */
async function openBare(model: StoredModel, texts: readonly string[]): Promise<() => Promise<void>> {
  const runtime = loadRuntime();
  const tokenizer = await openTokenizer(model, runtime);
  const session = await runtime.InferenceSession.create(model.modelFile, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableCpuMemArena: false,
    enableMemPattern: false,
    executionMode: "sequential",
  });
  const ids = texts.map((text) => tokenizer.idsOf(text));
  const lengths = ids.map(({ length }) => length);
  const batches = planBatches(lengths, batchBounds(model.weights)).map((batch) =>
    tensorsOf(
      batch.map((place) => ids[place] as number[]),
      { runtime, session, padId: tokenizer.padId },
    ),
  );
  return async () => {
    for (const feeds of batches) await session.run(feeds, session.outputNames.slice(0, 1));
  };
}

interface BareParts {
  runtime: Runtime;
  session: InferenceSession;
  padId: number;
}

function tensorsOf(ids: number[][], { runtime, session, padId }: BareParts): Record<string, Tensor> {
  const width = Math.max(...ids.map(({ length }) => length));
  const tensor = (numbers: number[]) =>
    new runtime.Tensor("int64", BigInt64Array.from(numbers, BigInt), [ids.length, width]);
  const padded = (rows: number[][], filler: number) =>
    rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(filler)]);
  const feeds: Record<string, Tensor> = {
    input_ids: tensor(padded(ids, padId)),
    attention_mask: tensor(
      padded(
        ids.map((row) => row.map(() => 1)),
        0,
      ),
    ),
  };
  if (session.inputNames.includes("token_type_ids"))
    feeds.token_type_ids = tensor(new Array(ids.length * width).fill(0));
  return feeds;
}
