// The append-only hash files `tree/<L>.hashes`. They are derived from the entries, so they are written with each batch
// but never synced by themselves: after a power cut `recover` completes them.
import { type FileHandle, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { HASH_BYTES } from "../../shared/format/hash.js";
import { hashesInLevel, MerkleTree } from "../../shared/format/tree.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import { writeWhole } from "./write-whole.js";

export class TreeFiles {
  readonly #tree: TreeLayout;
  readonly #files = new Map<number, FileHandle>();
  #pending = new Map<number, Buffer[]>();

  constructor(tree: TreeLayout) {
    this.#tree = tree;
  }

  /** Takes a hash that `MerkleTree.append` hands out; written by the next `flush`. */
  add(level: number, hash: Buffer): void {
    const waiting = this.#pending.get(level);
    if (waiting) waiting.push(hash);
    else this.#pending.set(level, [hash]);
  }

  /** Appends what was added; `size` is the ledger's size before it was. */
  async flush(size: number): Promise<void> {
    const pending = this.#pending;
    this.#pending = new Map();
    for (const [level, hashes] of pending) {
      await writeWhole(await this.#file(level), Buffer.concat(hashes), hashesInLevel(size, level) * HASH_BYTES);
    }
  }

  /** Forgets what was added since the last flush and cuts the files back to a ledger of `size` entries. */
  async cutTo(size: number): Promise<void> {
    this.#pending = new Map();
    for (const name of await readdir(this.#tree.tree)) {
      const level = Number(/^(\d+)\.hashes$/.exec(name)?.[1] ?? Number.NaN);
      const keep = Number.isNaN(level) ? 0 : hashesInLevel(size, level);
      if (keep === 0) await this.#remove(name, level);
      else await (await this.#file(level)).truncate(keep * HASH_BYTES);
    }
  }

  /** The tree at `size`. @throws FormatError `bad-tree` if the files are shorter */
  async load(size: number): Promise<MerkleTree> {
    return MerkleTree.load(size, (level, index, count) => this.read(level, index, count));
  }

  /** `count` hashes of a level from `index`, concatenated; fewer where the file ends. */
  async read(level: number, index: number, count: number): Promise<Buffer> {
    const file = await this.#file(level);
    const bytes = Buffer.alloc(count * HASH_BYTES);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, index * HASH_BYTES);
    return bytes.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }

  async #file(level: number): Promise<FileHandle> {
    const known = this.#files.get(level);
    if (known) return known;
    const path = this.#tree.treeLevel(level);
    const file = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return open(path, "wx+");
    });
    this.#files.set(level, file);
    return file;
  }

  async #remove(name: string, level: number): Promise<void> {
    await this.#files.get(level)?.close();
    this.#files.delete(level);
    await unlink(join(this.#tree.tree, name));
  }
}
