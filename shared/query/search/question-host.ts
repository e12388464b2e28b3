// Embeds questions for the query process, each with the very model that made the space's rows, in a child process that is
// started at the first question and kept. Bounded: questions that wait, how long one may take, vectors that are remembered.
// The query process itself never loads a model.
import { fileURLToPath } from "node:url";
import { EmbedError } from "../../embed/embed-error.js";
import { runtimeVersion } from "../../embed/onnx/load-runtime.js";
import { type ForkedChild, forkChild } from "../../fork-child.js";
import type { ModelSpace } from "../../format/space.js";
import type { Logger } from "../../log.js";
import { findModelByHashes } from "../../models/model-store.js";
import type { StoredModel } from "../../models/stored-model.js";
import type { AskVector, VectorReply } from "./question-message.js";

/** What a query needs of whoever embeds. */
export interface Questions {
  /** The model that questions to the space are embedded by. @throws EmbedError saying why there is none here */
  modelOf(space: ModelSpace): Promise<StoredModel>;
  /** A vector of the space, length 1. @throws EmbedError */
  embed(space: ModelSpace, text: string): Promise<Float32Array>;
}

export interface QuestionCounts {
  /** Questions that a model was asked for. */
  embedded: number;
  /** Answered from memory. */
  remembered: number;
  failed: number;
}

export interface QuestionHostOptions {
  root: string;
  log: Logger;
  /** By default 20 s, which is time to open a large model on a slow disk. */
  answerWithinMs?: number;
  /** What the process may grow by, beside its models, before another takes its place. By default 512 MiB. */
  mostGrowthBytes?: number;
}

const CHILD = fileURLToPath(new URL("./question-child.js", import.meta.url));
const ANSWER_WITHIN_MS = 20_000;
const MOST_GROWTH_BYTES = 512 * 1024 * 1024;
const MOST_WAITING = 64;
const MOST_REMEMBERED = 256;
/** After a crash questions are not embedded for a while, twice as long after each crash in a row. */
const LEAST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 60_000;
const CHILD_HEAP_MB = 256;

interface Waiting {
  child: ForkedChild;
  asked: AskVector;
  resolve(vector: Float32Array): void;
  reject(error: EmbedError): void;
  timer: NodeJS.Timeout;
}

export class QuestionHost implements Questions {
  readonly #options: QuestionHostOptions;
  readonly counts: QuestionCounts = { embedded: 0, remembered: 0, failed: 0 };
  readonly #waiting = new Map<number, Waiting>();
  /** By fingerprint and text, least recently used first. */
  readonly #remembered = new Map<string, Promise<Float32Array>>();
  #child: ForkedChild | undefined;
  #nextCall = 1;
  #crashes = 0;
  #pausedUntilMs = 0;
  #stopped = false;

  constructor(options: QuestionHostOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async modelOf({ recipe }: ModelSpace): Promise<StoredModel> {
    const hashes = { modelSha256: recipe.model_sha256, tokenizerSha256: recipe.tokenizer_sha256 };
    const model = await findModelByHashes(this.#options.root, hashes);
    if (runtimeVersion() !== undefined) return model;
    throw new EmbedError("runtime-missing", "the runtime of models is not installed here", {
      hint: "in the folder of the program: npm run add-runtime",
    });
  }

  async embed(space: ModelSpace, text: string): Promise<Float32Array> {
    const key = `${space.fingerprint} ${text}`;
    const known = this.#remembered.get(key);
    if (known) {
      this.counts.remembered += 1;
      this.#remember(key, known);
      return known;
    }
    const asked = this.modelOf(space).then((model) => this.#ask(model, text));
    this.#remember(key, asked);
    try {
      const vector = await asked;
      this.counts.embedded += 1;
      return vector;
    } catch (error) {
      this.counts.failed += 1;
      this.#remembered.delete(key);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGKILL");
    await gone;
  }

  #remember(key: string, vector: Promise<Float32Array>): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, vector);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MOST_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }

  #ask(model: StoredModel, text: string): Promise<Float32Array> {
    if (this.#waiting.size >= MOST_WAITING) throw died(`${MOST_WAITING} questions wait to be embedded`);
    if (this.#stopped || Date.now() < this.#pausedUntilMs) throw died("the process that embeds questions has ended");
    return new Promise((resolve, reject) => this.#send({ call: this.#nextCall++, model, text }, resolve, reject));
  }

  #send(asked: AskVector, resolve: Waiting["resolve"], reject: Waiting["reject"]): void {
    const child = this.#running();
    const { answerWithinMs = ANSWER_WITHIN_MS } = this.#options;
    const timer = setTimeout(() => child.kill("SIGKILL"), answerWithinMs);
    this.#waiting.set(asked.call, { child, asked, resolve, reject, timer });
    try {
      // To a child that is gone: its exit follows, and that is handled.
      child.send(asked, () => {});
    } catch (cause) {
      // What cannot be put into a message, because of its size, is the fault of this question alone.
      this.#settle(asked.call)?.reject(died("the question cannot be handed to the process that embeds", cause));
    }
  }

  #settle(call: number): Waiting | undefined {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #running(): ForkedChild {
    if (this.#child?.connected) return this.#child;
    const { mostGrowthBytes = MOST_GROWTH_BYTES } = this.#options;
    const child = forkChild(CHILD, {
      args: [String(mostGrowthBytes)],
      execArgv: [`--max-old-space-size=${CHILD_HEAP_MB}`],
    });
    this.#child = child;
    child.on("message", (reply: VectorReply) => this.#onReply(reply));
    child.on("error", (error) => this.#options.log.error("process that embeds questions cannot be reached", { error }));
    child.once("exit", (code, signal) => this.#onExit(child, code, signal));
    return child;
  }

  #onReply(reply: VectorReply): void {
    const waiting = this.#settle(reply.call);
    this.#crashes = 0;
    if ("vector" in reply) waiting?.resolve(reply.vector);
    else waiting?.reject(new EmbedError(reply.code, reply.message, { hint: reply.hint }));
  }

  #onExit(child: ForkedChild, code: number | null, signal: string | null): void {
    if (this.#child === child) this.#child = undefined;
    const lost = [...this.#waiting.values()].filter((waiting) => waiting.child === child);
    for (const { asked } of lost) this.#settle(asked.call);
    // One that has grown too large ends after an answer, which is no failure: what it had not come to is for the next.
    const hasGrown = code === 0 && !this.#stopped;
    for (const { asked, resolve, reject } of lost) {
      if (hasGrown) this.#send(asked, resolve, reject);
      else reject(died(`the process that embeds questions ended (${signal ?? code ?? "it did not start"})`));
    }
    if (this.#stopped || hasGrown) return;
    this.#crashes += 1;
    const pauseMs = Math.min(MOST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** (this.#crashes - 1));
    this.#pausedUntilMs = Date.now() + pauseMs;
    this.#options.log.warn("process that embeds questions ended", { code, signal, pause_ms: pauseMs });
  }
}

function died(message: string, cause?: unknown): EmbedError {
  return new EmbedError("encoder-died", message, { cause, hint: "ask again in a moment" });
}
