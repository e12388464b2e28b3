// What the `embed` bench and its workers say to each other.
import type { StoredModel } from "../../../shared/models/stored-model.js";

export interface EncodeTask {
  model: StoredModel;
  texts: readonly string[];
}

/** `ours`: texts to vectors. `bare`: the runtime alone, on the token batches that ours makes of them. */
export type EncodeWay = "ours" | "bare";

export type EncodeReply = "ready" | { seconds: number; processorSeconds: number; memoryMib: number };
