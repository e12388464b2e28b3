// Texts to the token ids that a model reads. The limit is the model's own: the truncation and padding that stand in
// tokenizer.json are what its last user had set, often less than the model can read, and are not applied.
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { StoredModel } from "../../models/stored-model.js";
import { EmbedError } from "../embed-error.js";
import type { Runtime, Tokenizer } from "./load-runtime.js";

export interface ModelTokenizer {
  /** At most the model's, its start and end included. */
  idsOf(text: string): number[];
  padId: number;
}

/** No text needs more to fill a model; without a bound a huge one would hold up its worker for seconds. */
const MOST_CHARS_PER_TOKEN = 64;

/** What is read of the files here; all the rest is for the tokenizer itself. */
const tokenizerFile = z.looseObject({ padding: z.looseObject({ pad_id: z.int().min(0) }).nullish() });
const tokenizerConfig = z.looseObject({
  pad_token: z.union([z.string(), z.looseObject({ content: z.string() })]).nullish(),
});

/** @throws EmbedError `model-unfit` */
export async function openTokenizer(model: StoredModel, runtime: Runtime): Promise<ModelTokenizer> {
  try {
    const file = tokenizerFile.parse(await readJson(model.tokenizerFile));
    const config = tokenizerConfig.parse(model.tokenizerConfigFile ? await readJson(model.tokenizerConfigFile) : {});
    const tokenizer = new runtime.Tokenizer(file, config);
    const padToken = typeof config.pad_token === "object" ? config.pad_token?.content : config.pad_token;
    const padId = file.padding?.pad_id ?? tokenizer.token_to_id(padToken ?? "[PAD]") ?? 0;
    return { padId, idsOf: cutToModel(tokenizer, model.maxTokens) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EmbedError("model-unfit", `the tokenizer of model ${model.name} cannot be used: ${reason}`, {
      cause,
      hint: "add a model whose tokenizer.json is of the kind that BERT and MPNet have (WordPiece)",
    });
  }
}

function cutToModel(tokenizer: Tokenizer, maxTokens: number): (text: string) => number[] {
  const around = tokenizer.encode("").ids;
  const [, end] = around;
  if (around.length !== 2 || end === undefined) {
    throw new Error(`it puts ${around.length} tokens around a text, where models of this kind have a start and an end`);
  }
  return (text) => {
    // A lone surrogate is no character: some tokenizers fail on it, others make up one of their own.
    const { ids } = tokenizer.encode(text.slice(0, maxTokens * MOST_CHARS_PER_TOKEN).toWellFormed());
    return ids.length <= maxTokens ? ids : [...ids.slice(0, maxTokens - 1), end];
  };
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, "utf8"));
}
