// The RFC 6962 Merkle tree over event hashes, kept as a compact range: one hash per perfect subtree, at most one per
// bit of the size. Subtrees of 256^L leaves are handed out as they complete; they are what `tree/<L>.hashes` stores.
import { FormatError } from "./format-error.js";
import { HASH_BYTES, nodeHash, sha256 } from "./hash.js";

/** Leaves per tile and per level of the tree files: 2^8 (C2SP tlog-tiles). */
export const TILE_HEIGHT = 8;
export const TILE_LEAVES = 2 ** TILE_HEIGHT;

/** Called for each completed subtree of 256^level leaves, in order within a level. */
export type OnSubtree = (level: number, hash: Buffer) => void;

export class MerkleTree {
  #size = 0;
  /** Roots of the perfect subtrees left to right; their heights are the set bits of size, highest first. */
  #peaks: Buffer[] = [];

  get size(): number {
    return this.#size;
  }

  /** Adds a leaf hash (32 bytes). `onSubtree` sees level 0 (the leaf itself) and every level it completes. */
  append(leaf: Buffer, onSubtree?: OnSubtree): void {
    this.#appendPerfect(leaf, 0, onSubtree);
  }

  /**
   * Adds a whole tile: the root of its 256 leaves, where the size is a multiple of 256. `onSubtree` sees the tile (level 1)
   * and every level it completes.
   *
   * @throws FormatError `bad-tree` in the middle of a tile
   */
  appendTile(root: Buffer, onSubtree?: OnSubtree): void {
    if (this.#size % TILE_LEAVES !== 0) throw new FormatError("bad-tree", `no tile begins at leaf ${this.#size}`);
    this.#appendPerfect(root, TILE_HEIGHT, onSubtree);
  }

  /** `height` is 0 or one of a tile level, and the size a multiple of 2^height. */
  #appendPerfect(root: Buffer, height: number, onSubtree?: OnSubtree): void {
    onSubtree?.(height / TILE_HEIGHT, root);
    let hash = root;
    let at = height;
    // 2^53 leaves are beyond reach, but 2^31 are not: no 32-bit operators on the size.
    for (let rest = this.#size / 2 ** height; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      hash = nodeHash(this.#peaks.pop() as Buffer, hash);
      at += 1;
      if (at % TILE_HEIGHT === 0) onSubtree?.(at / TILE_HEIGHT, hash);
    }
    this.#peaks.push(hash);
    this.#size += 2 ** height;
  }

  /** RFC 6962 §2.1 tree head, 32 bytes; of the empty tree, SHA-256 of nothing. */
  root(): Buffer {
    const peaks = this.#peaks;
    let hash = peaks.at(-1);
    if (!hash) return sha256("");
    for (let i = peaks.length - 2; i >= 0; i -= 1) hash = nodeHash(peaks[i] as Buffer, hash);
    return hash;
  }

  clone(): MerkleTree {
    const copy = new MerkleTree();
    copy.#size = this.#size;
    copy.#peaks = [...this.#peaks];
    return copy;
  }

  /** The compact range: 32 bytes a peak, left to right. With `size` it is the whole state. */
  toBytes(): Buffer {
    return Buffer.concat(this.#peaks);
  }

  /** @throws FormatError `bad-tree` if `bytes` does not hold one hash per set bit of `size` */
  static fromBytes(size: number, bytes: Buffer): MerkleTree {
    if (bytes.length !== peakHeights(size).length * HASH_BYTES) {
      throw new FormatError("bad-tree", `a compact range of size ${size} is not ${bytes.length} bytes long`);
    }
    const tree = new MerkleTree();
    tree.#size = size;
    for (let at = 0; at < bytes.length; at += HASH_BYTES)
      tree.#peaks.push(Buffer.from(bytes.subarray(at, at + HASH_BYTES)));
    return tree;
  }

  /**
   * Rebuilds the state at `size` from the tree files. `readHashes(level, index, count)` returns `count` hashes of
   * `tree/<level>.hashes` from `index`, concatenated.
   */
  static async load(
    size: number,
    readHashes: (level: number, index: number, count: number) => Promise<Buffer>,
  ): Promise<MerkleTree> {
    const tree = new MerkleTree();
    let leavesBefore = 0;
    for (const height of peakHeights(size)) {
      const level = Math.floor(height / TILE_HEIGHT);
      const count = 2 ** (height % TILE_HEIGHT);
      const hashes = await readHashes(level, leavesBefore / 2 ** (level * TILE_HEIGHT), count);
      tree.#peaks.push(perfectRoot(hashes, count));
      leavesBefore += 2 ** height;
    }
    tree.#size = size;
    return tree;
  }
}

/** How many hashes `tree/<level>.hashes` holds in a tree of `size` leaves. */
export function hashesInLevel(size: number, level: number): number {
  return Math.floor(size / 2 ** (level * TILE_HEIGHT));
}

/** Levels that a tree of `size` leaves has files for: 0 up to the last with a complete subtree. */
export function levelCount(size: number): number {
  let levels = 0;
  while (hashesInLevel(size, levels) > 0) levels += 1;
  return levels;
}

function peakHeights(size: number): number[] {
  const heights: number[] = [];
  for (let height = 0, rest = size; rest > 0; height += 1, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) heights.unshift(height);
  }
  return heights;
}

function perfectRoot(hashes: Buffer, count: number): Buffer {
  if (hashes.length !== count * HASH_BYTES) throw new FormatError("bad-tree", "a tree file is shorter than the ledger");
  let row: Buffer[] = [];
  for (let i = 0; i < count; i += 1) row.push(Buffer.from(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)));
  while (row.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i < row.length; i += 2) above.push(nodeHash(row[i] as Buffer, row[i + 1] as Buffer));
    row = above;
  }
  return row[0] as Buffer;
}
