// What a model is called by machines: its name, and 12 digits that change with its weights or its tokenizer.
import { sha256Hex } from "../format/hash.js";

export interface ModelHashes {
  modelSha256: string;
  tokenizerSha256: string;
}

export function modelId(name: string, { modelSha256, tokenizerSha256 }: ModelHashes): string {
  return `${name}-${sha256Hex(`${modelSha256}\n${tokenizerSha256}`).slice(0, 12)}`;
}
