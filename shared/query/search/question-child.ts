// The process that embeds questions: the ONNX runtime can crash or grow, and takes nothing with it but itself. Forked by
// the query process at the first question, it keeps the models it was asked for open, and ends with its parent. It embeds
// questions only; no code path here ever sees an event.
import { EmbedError } from "../../embed/embed-error.js";
import { SentenceEncoder } from "../../embed/onnx/sentence-encoder.js";
import type { StoredModel } from "../../models/stored-model.js";
import type { AskVector, VectorReply } from "./question-message.js";

/** Models kept open; a store whose questions need more opens one of them anew each time. */
const MOST_OPEN = 2;
/** Beside what its models take: a process that has grown past this ends with 0, and the next question starts another. */
const MOST_GROWTH_BYTES = Number(process.argv[2]);
/** Resident bytes of an open model, by the size of its files. */
const RESIDENT_FACTOR = 3;

/** Least recently used first. */
const open = new Map<string, { model: StoredModel; encoder: SentenceEncoder }>();
/** One at a time: the runtime has one thread here. */
let turn: Promise<void> = Promise.resolve();

// The parent decides when this process ends; a signal to the whole group is the parent's to handle.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => process.exit(0));
process.on("message", (asked: AskVector) => {
  turn = turn.then(() => answer(asked));
});

async function answer({ call, model, text }: AskVector): Promise<void> {
  try {
    const encoder = await encoderOf(model);
    const [vector] = await encoder.encode([text]);
    if (!vector) throw new Error("the model gave no vector");
    send({ call, vector });
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof EmbedError) send({ call, code: error.code, message, hint: error.hint });
    else
      send({ call, code: "encoder-died", message, hint: "ask again; if it comes back, `model test` tries the model" });
  }
}

/** Opening compares its files with what was added, so that no question is embedded by another model. */
async function encoderOf(model: StoredModel): Promise<SentenceEncoder> {
  const known = open.get(model.id);
  open.delete(model.id);
  if (known) {
    open.set(model.id, known);
    return known.encoder;
  }
  for (const [id, { encoder }] of open) {
    if (open.size < MOST_OPEN) break;
    open.delete(id);
    await encoder.close();
  }
  const encoder = await SentenceEncoder.open(model, { threads: 1 });
  open.set(model.id, { model, encoder });
  return encoder;
}

function send(reply: VectorReply): void {
  // Once the reply is away: whoever waits for it gets it first.
  process.send?.(reply, undefined, {}, () => {
    if (hasGrown()) process.exit(0);
  });
}

function hasGrown(): boolean {
  let expected = MOST_GROWTH_BYTES;
  for (const { model } of open.values()) expected += RESIDENT_FACTOR * model.sizeBytes;
  return process.memoryUsage.rss() > expected;
}
