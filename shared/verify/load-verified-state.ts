// The state of a generation that was verified before, read back from its own files, so that the next one is verified
// from there. The root over the tree files must still be the signed one; if not, the caller verifies from nothing.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Checkpoint, parseCheckpoint } from "../format/checkpoint.js";
import { type NoteVerifier, openNote } from "../format/signed-note.js";
import { parseSpace } from "../format/space.js";
import { MerkleTree } from "../format/tree.js";
import { rowBytes } from "../format/vector-row.js";
import type { TreeLayout } from "../store/layout.js";
import { listSpaces } from "../store/list-spaces.js";
import { readNewestSeal } from "../store/read-newest-seal.js";
import { checkLayout } from "./check-layout.js";
import { readTreeHashes } from "./check-tree-files.js";
import type { VerifiedState } from "./verify-generation.js";

export interface LoadedState extends VerifiedState {
  checkpoint: Checkpoint;
  note: string;
  lastHash: string;
}

/** `undefined` if the files no longer give the signed root. @throws FormatError, VerifyError if they cannot be read as what they are */
export async function loadVerifiedState(
  tree: TreeLayout,
  generation: number,
  keys: readonly NoteVerifier[],
): Promise<LoadedState | undefined> {
  const note = await readFile(tree.checkpoint, "utf8");
  const opened = openNote(note, keys);
  const checkpoint = parseCheckpoint(opened.text);
  if (opened.signedBy.length === 0) return undefined;
  const merkle = await MerkleTree.load(checkpoint.size, (level, index, count) =>
    readTreeHashes(tree, level, index, count),
  );
  if (!merkle.root().equals(checkpoint.root)) return undefined;
  const lastHash = await readTreeHashes(tree, 0, checkpoint.size - 1, 1);
  const rows = await countRows(tree);
  const seal = await readNewestSeal(tree, lastHash.toString("hex"));
  if (seal?.generation !== generation) return undefined;
  return {
    size: checkpoint.size,
    tree: merkle,
    generation,
    rows,
    late: seal.late ?? [],
    files: checkLayout(tree),
    checkpoint,
    note,
    lastHash: lastHash.toString("hex"),
  };
}

/** Rows by `<space>/<file>`: all rows of a generation are sealed. */
export async function countRows(tree: TreeLayout): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  for (const name of await listSpaces(tree)) {
    const width = rowBytes(parseSpace(await readFile(tree.spaceFile(name), "utf8")));
    for (const file of (await readdir(tree.space(name))).filter((one) => one.endsWith(".vec"))) {
      const { size } = await stat(join(tree.space(name), file));
      rows.set(`${name}/${file}`, Math.floor(size / width));
    }
  }
  return rows;
}
