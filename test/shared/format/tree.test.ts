import assert from "node:assert/strict";
import { test } from "node:test";
import { HASH_BYTES, leafHash, leafHashHex, nodeHash, sha256Hex } from "../../../shared/format/hash.js";
import { hashesInLevel, levelCount, MerkleTree, TILE_LEAVES } from "../../../shared/format/tree.js";
import { readVectors } from "../../support/read-vectors.js";

const vectors = readVectors<{ leaves: string[]; roots: string[]; large: { size: number; root: string }[] }>("tree");

test("roots are those of the RFC 6962 reference tree at every size", () => {
  const tree = new MerkleTree();
  assert.equal(tree.root().toString("hex"), vectors.roots[0]);
  for (const [index, leaf] of vectors.leaves.entries()) {
    tree.append(leafHash(Buffer.from(leaf, "hex")));
    assert.equal(tree.size, index + 1);
    assert.equal(tree.root().toString("hex"), vectors.roots[index + 1]);
  }
});

test("a leaf and a node of the same bytes have different hashes", () => {
  const [left, right] = [Buffer.alloc(HASH_BYTES, 1), Buffer.alloc(HASH_BYTES, 2)];
  assert.notDeepEqual(leafHash(Buffer.concat([left, right])), nodeHash(left, right));
});

test("a leaf's hash is that of its bytes with a zero before them, however long it is and whatever was hashed before", () => {
  for (const length of [70_000, 0, 1, 65_535, 65_536, 65_537, 400]) {
    const line = Buffer.alloc(length, "entry");
    const expected = sha256Hex(Buffer.concat([Buffer.from([0]), line]));
    assert.equal(leafHash(line).toString("hex"), expected);
    assert.equal(leafHashHex(line), expected);
  }
});

test("large roots are as frozen, and a tree loaded from its files is the tree that was appended to", async () => {
  const files: Buffer[][] = [];
  const tree = new MerkleTree();
  const last = vectors.large.at(-1)?.size ?? 0;
  const frozen = new Map(vectors.large.map(({ size, root }) => [size, root]));
  for (let seq = 0; seq < last; seq += 1) {
    tree.append(numberedLeaf(seq), (level, hash) => {
      files[level] ??= [];
      files[level].push(hash);
    });
    const root = frozen.get(tree.size);
    if (root !== undefined) assert.equal(tree.root().toString("hex"), root, `size ${tree.size}`);
    if (root !== undefined || (tree.size < 600 && tree.size % 37 < 2)) await checkLoad(tree, files);
  }
});

test("a tree goes on from its compact range, and a clone goes its own way", () => {
  for (const size of [0, 1, 5, 255, 256, 300]) {
    const tree = new MerkleTree();
    for (let seq = 0; seq < size; seq += 1) tree.append(numberedLeaf(seq));
    const restored = MerkleTree.fromBytes(size, tree.toBytes());
    const clone = tree.clone();
    const before = tree.root();
    clone.append(numberedLeaf(size));
    restored.append(numberedLeaf(size));
    assert.deepEqual(restored.root(), clone.root());
    assert.deepEqual(tree.root(), before);
  }
});

test("a compact range or a tree file that is too short is refused", async () => {
  assert.throws(() => MerkleTree.fromBytes(3, Buffer.alloc(HASH_BYTES)), { code: "bad-tree" });
  await assert.rejects(
    MerkleTree.load(3, async () => Buffer.alloc(HASH_BYTES)),
    { code: "bad-tree" },
  );
});

test("a tree that grows by tiles is the tree that grew by leaves", () => {
  const grow = (start: number, size: number, byTile: boolean) => {
    const tree = new MerkleTree();
    const seen: string[] = [];
    const see = (level: number, hash: Buffer) => level > 0 && seen.push(`${level} ${hash.toString("hex")}`);
    for (let seq = 0; seq < start; seq += 1) tree.append(numberedLeaf(seq), see);
    while (tree.size < size) {
      if (byTile && tree.size % TILE_LEAVES === 0 && tree.size + TILE_LEAVES <= size) {
        tree.appendTile(tileRoot(tree.size), see);
      } else tree.append(numberedLeaf(tree.size), see);
    }
    return { root: tree.root(), range: tree.toBytes(), seen };
  };
  for (const start of [0, 100, 256, 300]) {
    for (const size of [256, 511, 512, 1300]) assert.deepEqual(grow(start, size, true), grow(start, size, false));
  }
  assert.deepEqual(grow(256, 256 ** 2 + 300, true), grow(0, 256 ** 2 + 300, false));
});

test("no tile is added in the middle of one", () => {
  const tree = new MerkleTree();
  tree.append(numberedLeaf(0));
  assert.throws(() => tree.appendTile(tileRoot(0)), { code: "bad-tree" });
});

function tileRoot(from: number): Buffer {
  const tile = new MerkleTree();
  for (let seq = from; seq < from + TILE_LEAVES; seq += 1) tile.append(numberedLeaf(seq));
  return tile.root();
}

async function checkLoad(tree: MerkleTree, files: Buffer[][]): Promise<void> {
  assert.equal(files.length, levelCount(tree.size));
  for (const [level, hashes] of files.entries()) assert.equal(hashes.length, hashesInLevel(tree.size, level));
  const loaded = await MerkleTree.load(tree.size, async (level, index, count) => {
    return Buffer.concat(files[level]?.slice(index, index + count) ?? []);
  });
  assert.deepEqual(loaded.root(), tree.root(), `size ${tree.size}`);
  assert.deepEqual(loaded.toBytes(), tree.toBytes());
}

function numberedLeaf(seq: number): Buffer {
  return leafHash(Buffer.from(String(seq)));
}
