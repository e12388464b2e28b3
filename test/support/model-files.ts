// The files of a small model as a hub's repository has them. They are read, copied and described like any other's, but the
// model does not run: for one that does see make-model.ts.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onnxBytes } from "./onnx-bytes.js";

export type Files = Record<string, string | Buffer>;

export function modelFiles(changed: Files = {}): Files {
  return {
    "config.json": JSON.stringify({ model_type: "bert", hidden_size: 8, max_position_embeddings: 64 }),
    "tokenizer.json": JSON.stringify({ version: "1.0", model: { type: "WordPiece", vocab: { "[UNK]": 0 } } }),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "BertTokenizer" }),
    "1_Pooling/config.json": JSON.stringify({ pooling_mode_mean_tokens: true }),
    "sentence_bert_config.json": JSON.stringify({ max_seq_length: 32 }),
    "onnx/model.onnx": onnxBytes(),
    LICENSE: "a licence",
    ...changed,
  };
}

/** `files` without those that `under` names. */
export function without(files: Files, ...paths: string[]): Files {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !paths.includes(path)));
}

export async function writeFiles(dir: string, files: Files): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  return dir;
}
