// Vectors of texts that were embedded before, by space: most events say what others have said, so a model sees each text
// once. One SQLite file for all worker processes, with a small layer in memory before it. Derived and disposable: what
// fails here (a full disk, a damaged file) must never fail an embedding; the cache is left out for a while, and that is told.
import { createHash } from "node:crypto";
import { isBusy } from "../store/open-derived.js";
import { RecentVectors } from "./recent-vectors.js";
import { isDamage, type KeyedVector, VectorTable } from "./vector-table.js";

export interface TextCacheOptions {
  /** Of the file; SQLite's log beside it may have a few MiB more for a moment. */
  maxBytes: number;
  /** Of the layer in memory, for each process. Default 8 MiB. */
  maxMemoryBytes?: number;
  /** Called when the file is left out, for reading or for writing, and not again until something could be written. */
  onLeftOut?: (error: unknown) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

const MEMORY_BYTES = 8 * 1024 * 1024;
/** Uses are dated to the hour, so that a text in use costs one write an hour. */
const HOUR_MS = 3_600_000;
const LEFT_OUT_MS = 60_000;

export class TextCache {
  readonly #path: string;
  readonly #options: TextCacheOptions;
  readonly #recent: RecentVectors;
  #table: VectorTable | undefined;
  #noFileUntilMs = 0;
  #noWritesUntilMs = 0;
  #isTold = false;

  private constructor(path: string, options: TextCacheOptions) {
    this.#path = path;
    this.#options = options;
    this.#recent = new RecentVectors(options.maxMemoryBytes ?? MEMORY_BYTES);
  }

  /** The file is opened at its first use, and made anew where it is damaged. */
  static open(path: string, options: TextCacheOptions): TextCache {
    return new TextCache(path, options);
  }

  /** The vectors of `texts` in the space with this fingerprint, in their order; undefined for those that are not known. */
  get(fingerprint: string, texts: readonly string[]): (Float32Array | undefined)[] {
    const hour = this.#hour();
    const found = texts.map((text) => this.#recent.get(keyOf(fingerprint, text), hour));
    const missing = texts.flatMap((_, i) => (found[i] ? [] : [i]));
    if (missing.length === 0) return found;
    const keys = missing.map((i) => keyOf(fingerprint, texts[i] as string));
    for (const [at, vector] of this.#readStored(keys, hour).entries()) {
      if (!vector) continue;
      found[missing[at] as number] = vector;
      this.#recent.set(keys[at] as string, vector, hour);
    }
    return found;
  }

  /** Keeps vectors that were just made. Those used longest ago make room. */
  put(fingerprint: string, texts: readonly string[], vectors: readonly Float32Array[]): void {
    const hour = this.#hour();
    const rows = texts.map((text, i): KeyedVector => {
      const key = keyOf(fingerprint, text);
      const vector = vectors[i] as Float32Array;
      // A vector that is a part of its batch would keep the whole batch.
      this.#recent.set(key, vector.byteLength < vector.buffer.byteLength ? vector.slice() : vector, hour);
      return { digest: digestOf(key), vector };
    });
    if (rows.length > 0) this.#write((table) => table.put(rows, hour));
  }

  /** Nothing is read or kept from now on. */
  close(): void {
    this.#table?.close();
    this.#table = undefined;
    this.#noFileUntilMs = Number.POSITIVE_INFINITY;
  }

  #hour(): number {
    return Math.floor(this.#nowMs() / HOUR_MS);
  }

  #nowMs(): number {
    return (this.#options.now ?? Date.now)();
  }

  #readStored(keys: readonly string[], hour: number): (Float32Array | undefined)[] {
    const digests = keys.map(digestOf);
    const stored = this.#read((table) => table.get(digests)) ?? [];
    const aged = stored.flatMap((one) => (one && one.hour < hour ? [one.id] : []));
    if (aged.length > 0) this.#write((table) => table.touch(aged, hour));
    return stored.map((one) => one?.vector);
  }

  #read<T>(act: (table: VectorTable) => T): T | undefined {
    if (!this.#table && this.#nowMs() < this.#noFileUntilMs) return undefined;
    try {
      this.#table ??= VectorTable.open(this.#path, this.#options.maxBytes);
      return act(this.#table);
    } catch (error) {
      if (isBusy(error)) return undefined;
      this.#letGo(error);
      this.#tell(error);
      return undefined;
    }
  }

  /** What cannot be written for want of room can still be read. */
  #write(act: (table: VectorTable) => void): void {
    if (this.#nowMs() < this.#noWritesUntilMs) return;
    if (this.#table?.isReplaced()) this.#drop();
    this.#read((table) => {
      try {
        act(table);
        this.#isTold = false;
      } catch (error) {
        if (isDamage(error) || isBusy(error)) throw error;
        this.#noWritesUntilMs = this.#nowMs() + LEFT_OUT_MS;
        this.#tell(error);
      }
    });
  }

  /** A damaged file goes, and is made anew after a while. */
  #letGo(error: unknown): void {
    this.#drop();
    this.#noFileUntilMs = this.#nowMs() + LEFT_OUT_MS;
    if (isDamage(error)) VectorTable.remove(this.#path);
  }

  #drop(): void {
    this.#table?.discard();
    this.#table = undefined;
  }

  #tell(error: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#options.onLeftOut?.(error);
  }
}

function keyOf(fingerprint: string, text: string): string {
  return `${fingerprint}\n${text}`;
}

function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
