// What it means that a model could not be opened or run: the model is of another kind, or this machine had no memory for
// it, which another try may cure. The runtime says both in words only.
import type { StoredModel } from "../../models/stored-model.js";
import { EmbedError } from "../embed-error.js";

type NamedModel = Pick<StoredModel, "name">;

/** Of the runtime's error. */
export function failed(model: NamedModel, what: string, cause: unknown): EmbedError {
  const reason = String(cause instanceof Error ? cause.message : cause).split("\n", 1)[0] as string;
  if (!OUT_OF_MEMORY.test(reason)) return unfit(model, `${what}: ${reason}`, cause);
  return new EmbedError("encoder-died", `there is no memory for model ${model.name}: ${reason}`, {
    cause,
    hint: "give the process more memory, or choose a smaller model",
  });
}

export function unfit(model: NamedModel, what: string, cause?: unknown): EmbedError {
  return new EmbedError("model-unfit", `model ${model.name} is none that runs here: ${what}`, {
    cause,
    hint: "add another: an ONNX export of a BERT or MPNet sentence model, with its own tokenizer.json",
  });
}

/** C++'s `std::bad_alloc`, and the runtime's "Failed to allocate memory for requested buffer of size N". */
const OUT_OF_MEMORY = /bad.?alloc|failed to allocate/i;
