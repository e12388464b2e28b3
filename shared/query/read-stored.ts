// Reads stored bytes of one generation by place: entry and payload lines by file and offset, leaf hashes by sequence
// number. Reads are synchronous: the page cache holds what is asked for, and a thread's round trip costs more than the read.
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { HASH_BYTES } from "../format/hash.js";
import type { TreeLayout } from "../store/layout.js";

const MOST_OPEN_FILES = 64;

export class StoredReader {
  readonly #tree: TreeLayout;
  readonly #current: TreeLayout;
  /** Paths to open files, least recently opened first. An open file outlives the deletion of its generation. */
  readonly #open = new Map<string, number>();

  /** `current` is read when `tree` has been deleted: a later generation holds the same bytes at the same places. */
  constructor(tree: TreeLayout, current: TreeLayout) {
    this.#tree = tree;
    this.#current = current;
  }

  entry(file: string, offset: number, length: number): Buffer {
    return this.#read((tree) => join(tree.entries, file), offset, length);
  }

  payload(file: string, offset: number, length: number): Buffer {
    return this.#read((tree) => join(tree.payloads, file), offset, length);
  }

  leaf(seq: number): Buffer {
    return this.#read((tree) => tree.treeLevel(0), seq * HASH_BYTES, HASH_BYTES);
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  /** The bytes there are, at most `length`: a file that is too short shows as a hash that does not fit. */
  #read(pathIn: (tree: TreeLayout) => string, offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const read = readSync(this.#file(pathIn), bytes, 0, length, offset);
    return bytes.subarray(0, read);
  }

  #file(pathIn: (tree: TreeLayout) => string): number {
    const path = pathIn(this.#tree);
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    if (this.#open.size >= MOST_OPEN_FILES) this.#closeOldest();
    const fd = openEither(path, pathIn(this.#current));
    this.#open.set(path, fd);
    return fd;
  }

  #closeOldest(): void {
    const [path, fd] = this.#open.entries().next().value as [string, number];
    this.#open.delete(path);
    closeSync(fd);
  }
}

function openEither(path: string, later: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return openSync(later, "r");
  }
}
