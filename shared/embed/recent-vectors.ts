// The layer in memory before the text cache's file: the vectors used last, bounded in bytes.

interface Recent {
  vector: Float32Array;
  hour: number;
}

/** A string of two bytes a character, the map's own entry, the object. */
const ENTRY_BYTES = 200;

export class RecentVectors {
  readonly #maxBytes: number;
  readonly #byKey = new Map<string, Recent>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined, too, at the first use in another hour: the file is to know of it. */
  get(key: string, hour: number): Float32Array | undefined {
    const found = this.#byKey.get(key);
    if (found?.hour !== hour) return undefined;
    // Map order is insertion order: the first key is the one used longest ago.
    this.#byKey.delete(key);
    this.#byKey.set(key, found);
    return found.vector;
  }

  set(key: string, vector: Float32Array, hour: number): void {
    this.#delete(key);
    this.#byKey.set(key, { vector, hour });
    this.#bytes += bytesOf(key, vector);
    while (this.#bytes > this.#maxBytes) this.#delete(this.#byKey.keys().next().value as string);
  }

  #delete(key: string): void {
    const found = this.#byKey.get(key);
    if (!found) return;
    this.#byKey.delete(key);
    this.#bytes -= bytesOf(key, found.vector);
  }
}

function bytesOf(key: string, vector: Float32Array): number {
  return 2 * key.length + vector.byteLength + ENTRY_BYTES;
}
