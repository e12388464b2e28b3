// Events to vectors by a language model: each event's text, the distinct ones of them, those that are not in the cache to
// the encoder. A model takes milliseconds for a text, so texts go to it in groups, and when the time is up the events
// whose texts are done are the answer.
import type { ModelSpace } from "../format/space.js";
import type { Embedder, EventToEmbed } from "./embedder.js";
import { composeText } from "./text/compose-text.js";

/** Of SentenceEncoder. */
export interface TextEncoder {
  encode(texts: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** Of TextCache. It never throws. */
export interface VectorCache {
  get(fingerprint: string, texts: readonly string[]): (Float32Array | undefined)[];
  put(fingerprint: string, texts: readonly string[], vectors: readonly Float32Array[]): void;
  close(): void;
}

export interface ModelEmbedderParts {
  space: ModelSpace;
  encoder: TextEncoder;
  cache?: VectorCache | undefined;
  /** Milliseconds. Default `performance.now`. */
  now?: () => number;
}

/** Before the first text was measured. */
const FIRST_TEXT_MS = 15;
/** Weight of the last group in what a text is thought to take. */
const NEWEST = 0.3;
/** More at a time can be sorted by length better, and no further. */
const MOST_TEXTS = 64;

export class ModelEmbedder implements Embedder {
  readonly space: ModelSpace;
  readonly #parts: ModelEmbedderParts;
  #textMs = FIRST_TEXT_MS;

  constructor(parts: ModelEmbedderParts) {
    this.space = parts.space;
    this.#parts = parts;
  }

  async embed(events: readonly EventToEmbed[], withinMs = Number.POSITIVE_INFINITY): Promise<Float32Array[]> {
    const endMs = this.#now() + withinMs;
    const texts = events.map(({ entry, state }) => composeText(entry, state));
    const vectors = this.#known([...new Set(texts)]);
    const missing = [...vectors].flatMap(([text, vector]) => (vector ? [] : [text]));
    for (let from = 0; from < missing.length; ) {
      const group = missing.slice(from, from + this.#groupSize(endMs - this.#now()));
      await this.#encode(group, vectors);
      from += group.length;
      if (this.#now() >= endMs) break;
    }
    const done = texts.findIndex((text) => !vectors.get(text));
    return texts.slice(0, done < 0 ? texts.length : done).map((text) => vectors.get(text) as Float32Array);
  }

  async close(): Promise<void> {
    this.#parts.cache?.close();
    await this.#parts.encoder.close();
  }

  /** By text, in the order of the texts: the first events are to be done first. */
  #known(texts: readonly string[]): Map<string, Float32Array | undefined> {
    const known = this.#parts.cache?.get(this.space.fingerprint, texts) ?? [];
    return new Map(texts.map((text, i) => [text, known[i]]));
  }

  #groupSize(leftMs: number): number {
    return Math.max(1, Math.min(MOST_TEXTS, Math.floor(leftMs / this.#textMs)));
  }

  async #encode(texts: readonly string[], into: Map<string, Float32Array | undefined>): Promise<void> {
    const { encoder, cache } = this.#parts;
    const beganMs = this.#now();
    const vectors = await encoder.encode(texts);
    const textMs = (this.#now() - beganMs) / texts.length;
    this.#textMs = Math.max(0.01, (1 - NEWEST) * this.#textMs + NEWEST * textMs);
    texts.forEach((text, i) => {
      into.set(text, vectors[i]);
    });
    cache?.put(this.space.fingerprint, texts, vectors);
  }

  #now(): number {
    return (this.#parts.now ?? performance.now.bind(performance))();
  }
}
