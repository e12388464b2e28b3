// Small sentence models for tests, made from a fixed seed and laid out as a folder of a model hub: fp32 or int8, any
// number of dimensions, like BERT's (with token types) or MPNet's (without). They know the words of
// model/vocabulary.ts, where words of one line mean the same.
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { hashFile } from "../../shared/models/hash-file.js";
import { modelId } from "../../shared/models/model-id.js";
import type { StoredModel } from "../../shared/models/stored-model.js";
import { formatModel } from "./model/onnx-messages.js";
import { makeParameters, type Parameters } from "./model/parameters.js";
import type { Reference } from "./model/reference-encoder.js";
import { type Flaw, makeGraph } from "./model/sentence-graph.js";
import { listTokens } from "./model/vocabulary.js";

export interface ModelOptions {
  /** 384 if left out. */
  dimensions?: number;
  /** fp32 if left out. */
  weights?: "fp32" | "int8";
  /** Another seed is another model: other hashes, other vectors. */
  seed?: number;
  /** With token types, as BERT has them; without, as MPNet. True if left out. */
  tokenTypes?: boolean;
  /** What its card says; 128 if left out. */
  maxTokens?: number;
  /** What its files say it has, where that shall not be true. */
  claimedDimensions?: number;
  flaw?: Flaw;
}

const DEFAULT_MAX_TOKENS = 128;

interface Kind {
  /** In the order of their ids. */
  special: readonly string[];
  start: string;
  end: string;
  pad: string;
  unknown: string;
  tokenizerClass: string;
  config: object;
}

const BERT: Kind = {
  special: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  start: "[CLS]",
  end: "[SEP]",
  pad: "[PAD]",
  unknown: "[UNK]",
  tokenizerClass: "BertTokenizer",
  config: { model_type: "bert", architectures: ["BertModel"], type_vocab_size: 2, pad_token_id: 0 },
};

const MPNET: Kind = {
  special: ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"],
  start: "<s>",
  end: "</s>",
  pad: "<pad>",
  unknown: "[UNK]",
  tokenizerClass: "MPNetTokenizer",
  config: { model_type: "mpnet", architectures: ["MPNetModel"], pad_token_id: 1, relative_attention_num_buckets: 32 },
};

/** Writes the files of a hub's folder. */
export async function makeModel(dir: string, options: ModelOptions = {}): Promise<void> {
  const { parameters, tokens, weights, maxTokens, kind } = plan(options);
  const model = formatModel(makeGraph(parameters, { weights, flaw: options.flaw }));
  const claimed = options.claimedDimensions ?? parameters.dimensions;
  await mkdir(join(dir, "onnx"), { recursive: true });
  await mkdir(join(dir, "1_Pooling"), { recursive: true });
  await writeFile(join(dir, modelFileOf(weights)), model);
  const write = (file: string, content: object) => writeFile(join(dir, file), `${JSON.stringify(content, null, 1)}\n`);
  await write("tokenizer.json", tokenizerOf(kind, tokens));
  await write("tokenizer_config.json", tokenizerConfigOf(kind));
  await write("config.json", {
    ...kind.config,
    hidden_size: claimed,
    max_position_embeddings: 512,
    vocab_size: tokens.length,
  });
  await write("1_Pooling/config.json", { word_embedding_dimension: claimed, ...MEAN_POOLING });
  await write("sentence_bert_config.json", { max_seq_length: maxTokens, do_lower_case: false });
  await write("modules.json", MODULES);
}

/** What `encodeByReference` needs to compute the vectors of the same model. */
export function referenceOf(options: ModelOptions = {}): Reference {
  const { kind, ...rest } = plan(options);
  return { ...rest, start: kind.start, end: kind.end, unknown: kind.unknown };
}

function modelFileOf(weights: "fp32" | "int8"): string {
  return join("onnx", weights === "int8" ? "model_quantized.onnx" : "model.onnx");
}

interface Plan {
  kind: Kind;
  parameters: Parameters;
  tokens: string[];
  weights: "fp32" | "int8";
  maxTokens: number;
}

function plan({ dimensions = 384, seed = 1, tokenTypes = true, weights = "fp32", ...options }: ModelOptions): Plan {
  const maxTokens = options.maxTokens ?? DEFAULT_MAX_TOKENS;
  const kind = tokenTypes ? BERT : MPNET;
  const tokens = listTokens(kind.special);
  return { kind, tokens, weights, maxTokens, parameters: makeParameters(tokens, { dimensions, tokenTypes, seed }) };
}

const MEAN_POOLING = {
  pooling_mode_cls_token: false,
  pooling_mode_mean_tokens: true,
  pooling_mode_max_tokens: false,
  pooling_mode_mean_sqrt_len_tokens: false,
};

const MODULES = [
  { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
  { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
  { idx: 2, name: "2", path: "2_Normalize", type: "sentence_transformers.models.Normalize" },
];

/** Truncation and padding are those that hubs ship: not the model's own limit, and not what whoever embeds wants. */
function tokenizerOf(kind: Kind, tokens: readonly string[]): object {
  const id = (token: string) => tokens.indexOf(token);
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
  return {
    version: "1.0",
    truncation: { max_length: 16, strategy: "LongestFirst", stride: 0, direction: "Right" },
    padding: {
      strategy: { Fixed: 16 },
      direction: "Right",
      pad_to_multiple_of: null,
      pad_id: id(kind.pad),
      pad_type_id: 0,
      pad_token: kind.pad,
    },
    added_tokens: kind.special.map((content) => ({
      id: id(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [special(kind.start), { Sequence: { id: "A", type_id: 0 } }, special(kind.end)],
      pair: [
        special(kind.start),
        { Sequence: { id: "A", type_id: 0 } },
        special(kind.end),
        { Sequence: { id: "B", type_id: 0 } },
      ],
      special_tokens: Object.fromEntries(
        [kind.start, kind.end].map((token) => [token, { id: token, ids: [id(token)], tokens: [token] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: kind.unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, index) => [token, index])),
    },
  };
}

function tokenizerConfigOf(kind: Kind): object {
  return {
    do_lower_case: true,
    cls_token: kind.start,
    sep_token: kind.end,
    pad_token: kind.pad,
    unk_token: kind.unknown,
    mask_token: kind.special[4],
    model_max_length: 512,
    tokenizer_class: kind.tokenizerClass,
  };
}

/** `makeModel`, and what the model store would say of it. */
export async function makeStoredModel(dir: string, options: ModelOptions = {}): Promise<StoredModel> {
  await makeModel(dir, options);
  return storedModelOf(dir, basename(dir), {
    weights: options.weights ?? "fp32",
    dimensions: options.claimedDimensions ?? options.dimensions ?? 384,
    maxTokens: options.maxTokens ?? DEFAULT_MAX_TOKENS,
  });
}

/** Of a hub's folder. */
export async function storedModelOf(
  dir: string,
  name: string,
  facts: Pick<StoredModel, "weights" | "dimensions" | "maxTokens">,
): Promise<StoredModel> {
  const modelFile = join(dir, modelFileOf(facts.weights));
  const tokenizerFile = join(dir, "tokenizer.json");
  const hashes = { modelSha256: await hashFile(modelFile), tokenizerSha256: await hashFile(tokenizerFile) };
  return {
    ...facts,
    ...hashes,
    id: modelId(name, hashes),
    name,
    dir,
    modelFile,
    tokenizerFile,
    tokenizerConfigFile: join(dir, "tokenizer_config.json"),
    pooling: "mean",
    sizeBytes: (await stat(modelFile)).size,
  };
}
