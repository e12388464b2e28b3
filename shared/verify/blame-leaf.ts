// An entry and its stored leaf hash disagree. The signed root tells which of the two was changed.
import type { Checkpoint } from "../format/checkpoint.js";
import { HASH_BYTES } from "../format/hash.js";
import { MerkleTree } from "../format/tree.js";
import type { TreeLayout } from "../store/layout.js";
import type { StoredEvent } from "../store/read-events.js";
import { readTreeHashes } from "./check-tree-files.js";
import { VerifyError } from "./verify-error.js";
import { badEntry } from "./walk-range.js";

/** @throws VerifyError always */
export async function blameLeaf(files: TreeLayout, event: StoredEvent, checkpoint: Checkpoint): Promise<never> {
  const tree = await treeOfStoredLeaves(files, checkpoint.size);
  if (tree.size === checkpoint.size && !tree.root().equals(checkpoint.root)) {
    const place = { file: "timing/tree/0.hashes", offset: event.seq * HASH_BYTES, seq: event.seq };
    throw new VerifyError("tampered", place, "the stored hash is not that of the entry, nor what was signed");
  }
  const verdict = tree.size < checkpoint.size ? "incomplete" : "tampered";
  if (verdict === "incomplete") {
    const place = { file: "timing/tree/0.hashes", offset: tree.size * HASH_BYTES };
    throw new VerifyError(verdict, place, `it holds ${tree.size} hashes; the checkpoint covers ${checkpoint.size}`);
  }
  throw badEntry(event, "the entry is not the one that was signed");
}

const LEAVES_AT_ONCE = 32_768;

/** The tree over the leaf hashes as stored, up to `size` or to where they end. */
async function treeOfStoredLeaves(files: TreeLayout, size: number): Promise<MerkleTree> {
  const tree = new MerkleTree();
  while (tree.size < size) {
    const stored = await readTreeHashes(files, 0, tree.size, Math.min(LEAVES_AT_ONCE, size - tree.size));
    if (stored.length < HASH_BYTES) break;
    for (let at = 0; at + HASH_BYTES <= stored.length; at += HASH_BYTES)
      tree.append(stored.subarray(at, at + HASH_BYTES));
  }
  return tree;
}
