// The optional runtime of models: the ONNX runtime and the tokenizers, added by `npm run add-runtime` to a folder of
// their own, because they are larger than all the rest. Loaded by processes that embed, and by no other: it is native
// code of another's making, and a fault in it ends its process.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EmbedError } from "../embed-error.js";

export interface Runtime {
  /** Of onnxruntime-node. */
  version: string;
  InferenceSession: { create(file: string, options: SessionOptions): Promise<InferenceSession> };
  Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => Tensor;
  /** Of the parsed tokenizer.json and tokenizer_config.json. */
  Tokenizer: new (
    tokenizer: object,
    config: object,
  ) => Tokenizer;
}

export interface SessionOptions {
  intraOpNumThreads: number;
  interOpNumThreads: number;
  enableCpuMemArena: boolean;
  enableMemPattern: boolean;
  executionMode: "sequential";
}

export interface Tensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

export interface InferenceSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, Tensor>, outputs: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export interface Tokenizer {
  encode(text: string): { ids: number[] };
  token_to_id(token: string): number | undefined;
}

/** What this uses of onnxruntime-node beside the session and the tensor. */
interface OnnxRuntime extends Pick<Runtime, "InferenceSession" | "Tensor"> {
  env: { logLevel: string };
}

/** @throws EmbedError runtime-missing */
export function loadRuntime(folder: string = runtimeFolder()): Runtime {
  const version = requireRuntime(folder);
  const load = createRequire(join(folder, "package.json"));
  try {
    const onnx = load("onnxruntime-node") as OnnxRuntime;
    // What fails is thrown as well; its own lines would go into the daemon's output.
    onnx.env.logLevel = "fatal";
    const { Tokenizer } = load("@huggingface/tokenizers") as Pick<Runtime, "Tokenizer">;
    return { version, InferenceSession: onnx.InferenceSession, Tensor: onnx.Tensor, Tokenizer };
  } catch (error) {
    throw runtimeMissing(`the runtime of models in ${folder} cannot be loaded: ${firstLine(error)}`, error);
  }
}

/** As `loadRuntime`, as far as can be told without loading it. @throws EmbedError runtime-missing */
export function requireRuntime(folder: string = runtimeFolder()): string {
  const version = runtimeVersion(folder);
  if (version !== undefined) return version;
  throw runtimeMissing(`the runtime of models is not installed in ${folder}`);
}

/** Which is installed, without loading it; undefined when it is not, or not for this kind of machine. */
export function runtimeVersion(folder: string = runtimeFolder()): string | undefined {
  const modules = join(folder, "node_modules");
  const library = join(modules, "onnxruntime-node", "bin", "napi-v6", process.platform, process.arch);
  if (!existsSync(library) || !existsSync(join(modules, "@huggingface", "tokenizers", "package.json")))
    return undefined;
  try {
    const text = readFileSync(join(modules, "onnxruntime-node", "package.json"), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    // An install that was broken off.
    return undefined;
  }
}

const PROJECT = fileURLToPath(new URL("../../../../", import.meta.url));

/** `ISOCHRON_RUNTIME` is for packagers, who put it elsewhere. What lies there runs with the daemon's rights. */
function runtimeFolder(): string {
  return process.env.ISOCHRON_RUNTIME || join(PROJECT, "shared", "embed", "runtime");
}

function runtimeMissing(message: string, cause?: unknown): EmbedError {
  return new EmbedError("runtime-missing", message, { cause, hint: `in ${PROJECT}: npm run add-runtime` });
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0] as string;
}
