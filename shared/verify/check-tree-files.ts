// The hash files against the hashes that the walk computed: every new hash of every level above the leaves, which the
// walk has compared itself, and not a byte more in any. They are derived, but proofs are served from them, so a wrong one is as bad as a wrong entry.
import { HASH_BYTES } from "../format/hash.js";
import { hashesInLevel, levelCount } from "../format/tree.js";
import type { TreeLayout } from "../store/layout.js";
import { readPart } from "../store/read-part.js";
import { allInOrder } from "./all-in-order.js";
import type { GenerationFiles } from "./check-layout.js";
import { VerifyError } from "./verify-error.js";

/** @throws VerifyError `tampered` or `incomplete`, naming file and byte */
export async function checkTreeFiles(
  tree: TreeLayout,
  files: GenerationFiles,
  computed: readonly (readonly Buffer[])[],
  fromSize: number,
  size: number,
): Promise<void> {
  const levels = levelCount(size);
  for (const name of files.names("timing/tree")) {
    if (Number(name.split(".")[0]) >= levels) {
      throw new VerifyError("tampered", { file: `timing/tree/${name}` }, "a ledger of this size has no such level");
    }
  }
  const checkLevel = async (level: number) => {
    const first = hashesInLevel(fromSize, level);
    checkLength(files, level, hashesInLevel(size, level) * HASH_BYTES);
    await checkHashes(tree, level, first, Buffer.concat(computed[level] ?? []));
  };
  await allInOrder(Array.from({ length: levels }, (_, level) => checkLevel(level)));
}

async function checkHashes(tree: TreeLayout, level: number, first: number, expected: Buffer): Promise<void> {
  if (expected.length === 0) return;
  const stored = await readTreeHashes(tree, level, first, expected.length / HASH_BYTES);
  if (stored.equals(expected)) return;
  const differs = firstDifference(stored, expected);
  const place = { file: fileOf(level), offset: first * HASH_BYTES + differs - (differs % HASH_BYTES) };
  throw new VerifyError("tampered", place, "the stored hash is not that of the entries below it");
}

/** `count` hashes of a level from `index`; fewer where the file ends, none where it is missing. */
export async function readTreeHashes(tree: TreeLayout, level: number, index: number, count: number): Promise<Buffer> {
  return (await readPart(tree.treeLevel(level), index * HASH_BYTES, count * HASH_BYTES)) ?? Buffer.alloc(0);
}

function fileOf(level: number): string {
  return `timing/tree/${level}.hashes`;
}

function checkLength(files: GenerationFiles, level: number, expectedBytes: number): void {
  const file = fileOf(level);
  const sizeBytes = files.sizeOf(file) ?? 0;
  if (sizeBytes < expectedBytes) {
    throw new VerifyError("incomplete", { file, offset: sizeBytes }, `it should be ${expectedBytes} bytes long`);
  }
  if (sizeBytes > expectedBytes) {
    throw new VerifyError("tampered", { file, offset: expectedBytes }, "there are bytes beyond the last hash");
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) if (a[i] !== b[i]) return i;
  return length;
}
