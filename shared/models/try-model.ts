// `model test`: whether a model does here what it is for. Its files are hashed, sentences that mean the same must be nearer
// to each other than to one that does not, and where the model came with reference vectors, its vectors must be those. The
// encoder runs in the calling process, which holds the model's memory from then on.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SentenceEncoder } from "../embed/onnx/sentence-encoder.js";
import { checkModel } from "./model-store.js";
import { type ReferenceRow, readReference } from "./read-reference.js";
import { MODEL_FILES, type StoredModel } from "./stored-model.js";

export interface Triple {
  text: string;
  related: string;
  unrelated: string;
}

export interface TriedTriple extends Triple {
  /** Cosines of `text` with each. */
  toRelated: number;
  toUnrelated: number;
}

export interface TriedModel {
  model: StoredModel;
  triples: TriedTriple[];
  /** Of the worst text; undefined where the model came without a reference. */
  reference: { texts: number; leastCosine: number; asked: number } | undefined;
  /** Reading, hashing and opening it. */
  openMs: number;
  textMs: number;
  /** What this process grew by, the model's own copy of the weights included. */
  memoryBytes: number;
  isGood: boolean;
}

/** Few words in common: a model that only counts words fails here. */
export const TRIPLES: readonly Triple[] = [
  {
    text: "the network cable was pulled out of the card",
    related: "interface eth0 lost its carrier",
    unrelated: "package openssl was upgraded",
  },
  {
    text: "someone typed a wrong password",
    related: "authentication failed for user root: invalid credentials",
    unrelated: "the disk is almost full",
  },
  {
    text: "the virtual machine was switched on",
    related: "guest vi101 started",
    unrelated: "a key of the firewall configuration changed",
  },
];

/** @throws EmbedError `runtime-missing`, `model-missing`, `model-damaged`, `model-unfit` */
export async function tryModel(model: StoredModel, signal: AbortSignal): Promise<TriedModel> {
  const rssBefore = process.memoryUsage.rss();
  const started = performance.now();
  await checkModel(model, signal);
  const encoder = await SentenceEncoder.open(model);
  try {
    const openMs = performance.now() - started;
    const triples = await tryTriples(encoder);
    const textMs = await timePerText(encoder);
    const reference = await compareWithReference(encoder, model);
    const memoryBytes = Math.max(0, process.memoryUsage.rss() - rssBefore);
    const isNear = triples.every(({ toRelated, toUnrelated }) => toRelated > toUnrelated);
    const isGood = isNear && (reference === undefined || reference.leastCosine >= reference.asked);
    return { model, triples, reference, openMs, textMs, memoryBytes, isGood };
  } finally {
    await encoder.close();
  }
}

async function tryTriples(encoder: SentenceEncoder): Promise<TriedTriple[]> {
  const texts = TRIPLES.flatMap(({ text, related, unrelated }) => [text, related, unrelated]);
  const vectors = await encoder.encode(texts);
  return TRIPLES.map((triple, i) => {
    const [text, related, unrelated] = vectors.slice(3 * i, 3 * i + 3) as [Float32Array, Float32Array, Float32Array];
    return { ...triple, toRelated: dot(text, related), toUnrelated: dot(text, unrelated) };
  });
}

const TIMED_TEXTS = 16;

/** Of texts as long as an event's, about 25 tokens. */
async function timePerText(encoder: SentenceEncoder): Promise<number> {
  const texts = Array.from({ length: TIMED_TEXTS }, (_, i) => {
    return `interface eth${i} modified: carrier lost, speed 1000, state down, address removed, route deleted`;
  });
  const started = performance.now();
  await encoder.encode(texts);
  return (performance.now() - started) / TIMED_TEXTS;
}

async function compareWithReference(encoder: SentenceEncoder, model: StoredModel): Promise<TriedModel["reference"]> {
  const text = await readFile(join(model.dir, MODEL_FILES.reference), "utf8").catch(undefinedIfMissing);
  if (text === undefined) return undefined;
  const { rows, asked } = readReference(text, model);
  const vectors = await encoder.encode(rows.map((row) => row.text));
  const cosines = rows.map((row, i) => cosineTo(row, vectors[i] as Float32Array));
  return { texts: rows.length, leastCosine: Math.min(...cosines), asked };
}

/** Reference vectors are rounded, so that their length is not quite 1. */
function cosineTo({ vector }: ReferenceRow, found: Float32Array): number {
  return dot(vector, found) / Math.sqrt(dot(vector, vector) * dot(found, found));
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
