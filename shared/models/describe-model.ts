// What a model's own files say of it: dimensions, weights, pooling, length. Where they are silent the cards of well-known
// models speak, and where those are too, the operator is asked: a wrong pooling gives vectors that look right and find nothing.
import { EmbedError } from "../embed/embed-error.js";
import type { JsonValue } from "../format/canonical-json.js";
import { knownCard } from "./known-cards.js";
import type { OnnxFacts } from "./read-onnx.js";
import type { ModelWeights, StoredModel } from "./stored-model.js";

export type ModelDescription = Pick<StoredModel, "weights" | "dimensions" | "pooling" | "maxTokens">;

/** Parsed files beside the model; undefined where there is none. */
export interface ModelDocuments {
  config?: JsonValue | undefined;
  sentenceBert?: JsonValue | undefined;
  modules?: JsonValue | undefined;
  pooling?: JsonValue | undefined;
  tokenizer?: JsonValue | undefined;
  tokenizerConfig?: JsonValue | undefined;
}

export interface DescribeOptions {
  onnx: OnnxFacts;
  documents: ModelDocuments;
  /** Names under which a card may know the model. */
  names: readonly string[];
  /** Said by the operator. */
  pooling?: "mean" | undefined;
  weights?: ModelWeights | undefined;
}

/** @throws EmbedError `model-unfit`, with what is not as it must be */
export function describeModel({ onnx, documents, names, pooling, weights }: DescribeOptions): ModelDescription {
  const card = knownCard(names);
  refuseFurtherModules(documents.modules);
  requireInputs(onnx);
  return {
    weights: weightsOf(onnx, weights),
    dimensions: dimensionsOf(onnx, documents.config),
    pooling: poolingOf(documents.pooling) ?? card?.pooling ?? pooling ?? unknownPooling(),
    maxTokens: maxTokensOf(documents, card?.maxTokens),
  };
}

const MODULES = ["Transformer", "Pooling", "Normalize"];

/** A dense layer behind the pooling, say, would be left out without a word. */
function refuseFurtherModules(modules: JsonValue | undefined): void {
  if (!Array.isArray(modules)) return;
  const types = modules.map(
    (one) =>
      String(member(one, "type") ?? "")
        .split(".")
        .at(-1) as string,
  );
  const further = types.filter((type) => !MODULES.includes(type));
  if (further.length === 0) return;
  throw unfit(`modules.json names a module that is not run here: ${further.join(", ")}`, "take another model");
}

const INPUTS = ["input_ids", "attention_mask", "token_type_ids"];
/** What exporters call the vectors of the tokens. */
const TOKEN_OUTPUTS = ["last_hidden_state", "token_embeddings"];

function requireInputs({ inputs, outputs }: OnnxFacts): void {
  const missing = INPUTS.slice(0, 2).filter((name) => !inputs.includes(name));
  const strange = inputs.filter((name) => !INPUTS.includes(name));
  if (missing.length > 0 || strange.length > 0) {
    const hint = "it must be an encoder, exported to ONNX for feature extraction";
    throw unfit(`the .onnx file takes ${inputs.join(", ") || "no inputs"}`, hint);
  }
  if (outputs.some(({ name }) => TOKEN_OUTPUTS.includes(name))) return;
  const names = outputs.map(({ name }) => name).join(", ");
  throw unfit(`the .onnx file has no vector for each token, only ${names || "no output"}`, "export its hidden states");
}

/** Some of the weights stay fp32 in every int8 model, sometimes most of them (the table of words). */
const LEAST_INT8_SHARE = 0.05;

function weightsOf(onnx: OnnxFacts, asked: ModelWeights | undefined): ModelWeights {
  const { fp32, int8, fp16 } = onnx.weightBytes;
  const other = "take its fp32 or int8 file";
  if (onnx.hasExternalData) throw unfit("the .onnx file keeps its weights in another file", other);
  if (onnx.hasNarrowWeights) throw unfit("the .onnx file has weights of less than 8 bits", other);
  if (fp16 > fp32 + int8) throw unfit("the .onnx file has weights in half precision", other);
  const found = int8 > LEAST_INT8_SHARE * (fp32 + int8) ? "int8" : "fp32";
  if (asked === undefined || asked === found) return found;
  throw unfit(`the weights in the .onnx file are ${found}, not ${asked}`, `say --weights ${found}, or --file PATH`);
}

function dimensionsOf({ outputs }: OnnxFacts, config: JsonValue | undefined): number {
  const hidden = outputs.find(({ name }) => TOKEN_OUTPUTS.includes(name));
  const said = wholeNumber(member(config, "hidden_size")) ?? wholeNumber(member(config, "dim"));
  const dimensions = hidden?.width ?? said;
  if (dimensions === undefined) throw unfit("nothing says how wide its vectors are", "add its config.json beside it");
  if (said !== undefined && said !== dimensions) {
    throw unfit(`config.json says ${said} dimensions, the .onnx file ${dimensions}`, "they are of different models");
  }
  if (dimensions > 4096) throw unfit(`its vectors have ${dimensions} dimensions`, "at most 4096 can be kept");
  return dimensions;
}

/** `pooling_mode_mean_tokens` and its like, or the one `pooling_mode` of newer files. */
function poolingOf(pooling: JsonValue | undefined): "mean" | undefined {
  if (pooling === undefined) return undefined;
  const one = member(pooling, "pooling_mode");
  const flags = isObject(pooling) ? Object.entries(pooling).filter(([key]) => key.startsWith("pooling_mode_")) : [];
  const modes = typeof one === "string" ? [one] : flags.filter(([, on]) => on === true).map(([key]) => modeName(key));
  if (modes.length === 1 && modes[0] === "mean") return "mean";
  throw unfit(
    `it pools its tokens by ${modes.join(" and ") || "nothing that is known"}`,
    "only mean pooling is done here",
  );
}

function modeName(key: string): string {
  return key.replace("pooling_mode_", "").replace("_tokens", "").replace("_token", "");
}

function unknownPooling(): never {
  throw unfit(
    "nothing says how it pools its tokens: there is no 1_Pooling/config.json",
    "if its card says mean pooling, give `--pooling mean`",
  );
}

/** Without a config.json nothing says how many positions it has; encoders have at least these. */
const USUAL_POSITIONS = 512;
const LEAST_TOKENS = 3;
const MOST_TOKENS = 8192;

function maxTokensOf(documents: ModelDocuments, byCard: number | undefined): number {
  const said =
    wholeNumber(member(documents.sentenceBert, "max_seq_length")) ??
    byCard ??
    wholeNumber(member(documents.tokenizerConfig, "model_max_length")) ??
    wholeNumber(member(member(documents.tokenizer, "truncation"), "max_length")) ??
    USUAL_POSITIONS;
  const tokens = Math.min(said, positionsOf(documents.config) ?? USUAL_POSITIONS, MOST_TOKENS);
  if (tokens >= LEAST_TOKENS) return tokens;
  throw unfit(`it takes ${tokens} tokens`, "a text has two special tokens, so it must take 3 or more");
}

/** These count positions from behind the padding token's: two of what they have are never used. */
const OFFSET_TYPES = ["mpnet", "roberta", "xlm-roberta", "camembert"];

function positionsOf(config: JsonValue | undefined): number | undefined {
  const positions = wholeNumber(member(config, "max_position_embeddings"));
  const isOffset = OFFSET_TYPES.includes(String(member(config, "model_type")));
  return positions === undefined ? undefined : positions - (isOffset ? 2 : 0);
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isObject(value) ? value[key] : undefined;
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tokenizers write 1e30 where they mean that there is no bound. */
function wholeNumber(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function unfit(message: string, hint: string): EmbedError {
  return new EmbedError("model-unfit", message, { hint });
}
