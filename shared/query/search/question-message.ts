// What the query process and the process that embeds its questions say to each other over the fork channel.
import type { EmbedErrorCode } from "../../embed/embed-error.js";
import type { StoredModel } from "../../models/stored-model.js";

export interface AskVector {
  call: number;
  model: StoredModel;
  text: string;
}

export type VectorReply =
  | { call: number; vector: Float32Array }
  | { call: number; code: EmbedErrorCode; message: string; hint: string };
