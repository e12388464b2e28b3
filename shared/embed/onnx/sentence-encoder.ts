// A sentence model at work: texts in, one vector of length 1 for each out. Belongs into a process of its own: it holds
// the thread while it computes, and its memory is the model's. Vectors of a file that is not the one the space names
// must never leave it: the files are hashed before they are opened.
import { hashFile } from "../../models/hash-file.js";
import type { StoredModel } from "../../models/stored-model.js";
import { EmbedError } from "../embed-error.js";
import { failed, unfit } from "./encoder-failure.js";
import { type InferenceSession, loadRuntime, type Runtime, type Tensor } from "./load-runtime.js";
import { type ModelTokenizer, openTokenizer } from "./open-tokenizer.js";
import { batchBounds, planBatches } from "./plan-batches.js";
import { poolTokens } from "./pool-tokens.js";

export interface EncoderOptions {
  /** Threads that compute, 1 if left out: more workers make more of the same processors. */
  threads?: number;
}

const ID_INPUT = "input_ids";
const MASK_INPUT = "attention_mask";
/** All zeros for single texts; MPNet has none. */
const TYPE_INPUT = "token_type_ids";
/** What exporters call the vectors of the tokens. */
const TOKEN_OUTPUTS = ["last_hidden_state", "token_embeddings"];

export class SentenceEncoder {
  readonly #model: StoredModel;
  readonly #runtime: Runtime;
  readonly #tokenizer: ModelTokenizer;
  readonly #session: InferenceSession;
  readonly #output: string;
  #isClosed = false;

  private constructor(parts: EncoderParts) {
    this.#model = parts.model;
    this.#runtime = parts.runtime;
    this.#tokenizer = parts.tokenizer;
    this.#session = parts.session;
    this.#output = parts.output;
  }

  /** Ready to encode: a text has gone through it. @throws EmbedError `runtime-missing`, `model-damaged`, `model-unfit` */
  static async open(model: StoredModel, options: EncoderOptions = {}): Promise<SentenceEncoder> {
    const runtime = loadRuntime();
    await requireFile(model, model.modelFile, model.modelSha256);
    await requireFile(model, model.tokenizerFile, model.tokenizerSha256);
    const tokenizer = await openTokenizer(model, runtime);
    const session = await openSession(model, runtime, options.threads ?? 1);
    try {
      const encoder = new SentenceEncoder({ model, runtime, tokenizer, session, output: outputOf(model, session) });
      await encoder.encode(["a first text"]);
      return encoder;
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  /** In the order of `texts`. Any string is a text. @throws EmbedError `model-unfit`, `encoder-died` */
  async encode(texts: readonly string[]): Promise<Float32Array[]> {
    const ids = texts.map((text) => this.#tokenizer.idsOf(text));
    const lengths = ids.map((ofText) => ofText.length);
    const vectors: Float32Array[] = new Array(texts.length);
    for (const batch of planBatches(lengths, batchBounds(this.#model.weights))) {
      const ofBatch = await this.#encodeBatch(batch.map((place) => ids[place] as number[]));
      batch.forEach((place, i) => {
        vectors[place] = ofBatch[i] as Float32Array;
      });
    }
    return vectors;
  }

  /** Frees its memory. Nothing can be encoded any more. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#session.release();
  }

  async #encodeBatch(ids: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const width = Math.max(...ids.map(({ length }) => length));
    const output = (await this.#run(this.#feedsOf(ids, width)))[this.#output];
    const data = checkedData(this.#model, output, [ids.length, width, this.#model.dimensions]);
    const lengths = ids.map(({ length }) => length);
    const vectors = poolTokens({ data, width, dimensions: this.#model.dimensions }, lengths);
    if (vectors.some((vector) => !vector.every(Number.isFinite))) {
      throw unfit(this.#model, "its vectors hold what is not a number, or are zero");
    }
    return vectors;
  }

  #feedsOf(ids: readonly (readonly number[])[], width: number): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {};
    const add = (name: string, filler: number, numberOf: (id: number) => number) => {
      const data = new BigInt64Array(ids.length * width).fill(BigInt(filler));
      ids.forEach((ofText, text) => {
        ofText.forEach((id, token) => {
          data[text * width + token] = BigInt(numberOf(id));
        });
      });
      feeds[name] = new this.#runtime.Tensor("int64", data, [ids.length, width]);
    };
    add(ID_INPUT, this.#tokenizer.padId, (id) => id);
    add(MASK_INPUT, 0, () => 1);
    if (this.#session.inputNames.includes(TYPE_INPUT)) add(TYPE_INPUT, 0, () => 0);
    return feeds;
  }

  async #run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    try {
      return await this.#session.run(feeds, [this.#output]);
    } catch (cause) {
      if (this.#isClosed) throw new Error("the encoder is closed", { cause });
      throw failed(this.#model, "it does not run", cause);
    }
  }
}

interface EncoderParts {
  model: StoredModel;
  runtime: Runtime;
  tokenizer: ModelTokenizer;
  session: InferenceSession;
  output: string;
}

async function requireFile(model: StoredModel, path: string, sha256: string): Promise<void> {
  const found = await hashFile(path).catch((error: NodeJS.ErrnoException) => error);
  if (found === sha256) return;
  const what = found instanceof Error ? `cannot be read (${found.code ?? found.message})` : "is not what was added";
  throw new EmbedError("model-damaged", `${path} ${what}`, {
    cause: found instanceof Error ? found : undefined,
    hint: `\`model remove ${model.name} --force\`, then \`model add\` it again`,
  });
}

async function openSession(model: StoredModel, runtime: Runtime, threads: number): Promise<InferenceSession> {
  try {
    return await runtime.InferenceSession.create(model.modelFile, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // The arena keeps the largest batch's memory for ever.
      enableCpuMemArena: false,
      enableMemPattern: false,
      executionMode: "sequential",
    });
  } catch (cause) {
    throw failed(model, "it cannot be opened", cause);
  }
}

function outputOf(model: StoredModel, { inputNames, outputNames }: InferenceSession): string {
  const known = [ID_INPUT, MASK_INPUT, TYPE_INPUT];
  const strange = inputNames.find((name) => !known.includes(name));
  if (strange !== undefined) throw unfit(model, `it wants an input ${strange}, which texts do not have`);
  const missing = [ID_INPUT, MASK_INPUT].find((name) => !inputNames.includes(name));
  if (missing !== undefined) throw unfit(model, `it has no input ${missing}`);
  const output = TOKEN_OUTPUTS.find((name) => outputNames.includes(name));
  if (output !== undefined) return output;
  throw unfit(model, `it has no output ${TOKEN_OUTPUTS.join(" or ")}, only ${outputNames.join(", ")}`);
}

function checkedData(model: StoredModel, output: Tensor | undefined, dims: readonly number[]): Float32Array {
  if (!output) throw unfit(model, "its output is missing");
  const { type, data } = output;
  if (!(data instanceof Float32Array)) throw unfit(model, `its output is ${type}, not float32`);
  if (output.dims.length === dims.length && output.dims.every((length, i) => length === dims[i])) return data;
  throw unfit(model, `its output is ${output.dims.join(" × ")}, where ${dims.join(" × ")} were expected`);
}
