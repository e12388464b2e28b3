// A kept generation beside the current one: both must be of one history. That costs a few hashes of the current one's tree
// files; whether those are what was signed, a `verify` of the current generation says.
import type { Checkpoint } from "../format/checkpoint.js";
import { MerkleTree } from "../format/tree.js";
import type { TreeLayout } from "../store/layout.js";
import { readTreeHashes } from "./check-tree-files.js";
import { VerifyError } from "./verify-error.js";

/** @throws VerifyError `tampered` unless `current` has the root of `earlier` at its size */
export async function checkContained(earlier: Checkpoint, current: TreeLayout): Promise<void> {
  const place = { file: "timing/checkpoint" };
  const root = await rootAt(earlier.size, current).catch((cause: unknown) => {
    throw new VerifyError("tampered", place, "the current generation is smaller than this earlier one", { cause });
  });
  if (root.equals(earlier.root)) return;
  const message = `the current generation has another history in its first ${earlier.size} entries`;
  throw new VerifyError("tampered", place, message);
}

async function rootAt(size: number, tree: TreeLayout): Promise<Buffer> {
  const merkle = await MerkleTree.load(size, (level, index, count) => readTreeHashes(tree, level, index, count));
  return merkle.root();
}
