// Vector rows against the seals that commit to them: each run where the last one ended, with its hash; no row and no
// space that no seal names.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FormatError } from "../format/format-error.js";
import { sha256Hex } from "../format/hash.js";
import type { SealedRows } from "../format/seal.js";
import { isSpaceName, parseSpace, spaceName } from "../format/space.js";
import { rowBytes } from "../format/vector-row.js";
import type { TreeLayout } from "../store/layout.js";
import { readPart } from "../store/read-part.js";
import { checkLate, type LateBefore } from "./check-late.js";
import type { GenerationFiles } from "./check-layout.js";
import { readWhole } from "./read-whole.js";
import { VerifyError } from "./verify-error.js";
import type { FoundSeal } from "./walk-range.js";

/** Sealed rows by `<space>/<file>`. */
export type RowCounts = ReadonlyMap<string, number>;

const READ_BYTES = 1024 * 1024;

/** What was verified before `seals`, and what is after them. */
export interface SealedVectors extends LateBefore {
  rows: RowCounts;
}

/** @throws VerifyError `tampered`, `incomplete` or `newer`, naming file and byte, or the seal */
export async function checkVectors(
  tree: TreeLayout,
  files: GenerationFiles,
  seals: readonly FoundSeal[],
  from: SealedVectors,
): Promise<SealedVectors> {
  const rows = new Map(from.rows);
  const widths = new Map<string, number>();
  let late: LateBefore = from;
  for (const found of seals) {
    for (const { space, definition, added } of found.seal.spaces) {
      if (!isSpaceName(space))
        throw new VerifyError("tampered", { file: "vector" }, `a seal names the space ${JSON.stringify(space)}`);
      const width = widths.get(space) ?? readWidth(tree, space, definition);
      widths.set(space, width);
      for (const run of added) await checkRun(tree, space, width, run, rows);
    }
    late = await checkLate(tree, found, widths, late);
  }
  checkExactlySealed(tree, files, rows, widths);
  return { size: late.size, late: late.late, rows };
}

/** Bytes of a row, after `space.json` has been found to be the one that was sealed. */
function readWidth(tree: TreeLayout, space: string, definition: string): number {
  const file = `vector/${space}/space.json`;
  const bytes = readDefinition(tree, space);
  if (sha256Hex(bytes) !== definition)
    throw new VerifyError("tampered", { file }, "it is not the definition that was sealed");
  return widthOf(bytes.toString(), space, file);
}

function readDefinition(tree: TreeLayout, space: string): Buffer {
  const file = `vector/${space}/space.json`;
  return readWhole(tree.spaceFile(space), file, "incomplete", "the space has no definition");
}

function widthOf(text: string, space: string, file: string): number {
  try {
    const parsed = parseSpace(text);
    if (spaceName(parsed) === space) return rowBytes(parsed);
    throw new VerifyError("tampered", { file }, `it defines the space ${spaceName(parsed)}`);
  } catch (cause) {
    if (cause instanceof VerifyError) throw cause;
    const verdict = cause instanceof FormatError && cause.code === "newer-space" ? "newer" : "tampered";
    throw new VerifyError(verdict, { file }, (cause as Error).message, { cause });
  }
}

async function checkRun(
  tree: TreeLayout,
  space: string,
  width: number,
  run: SealedRows,
  rows: Map<string, number>,
): Promise<void> {
  const key = `${space}/${run.file}`;
  const place = { file: `vector/${key}`, offset: run.first * width };
  const before = rows.get(key) ?? 0;
  if (run.first !== before) {
    throw new VerifyError(
      "tampered",
      place,
      `its rows ${run.first} onwards were sealed; the seal before ended at ${before}`,
    );
  }
  const digest = await hashRange(join(tree.vector, key), place.offset, run.rows * width);
  if (digest === undefined)
    throw new VerifyError("incomplete", place, `rows ${run.first} to ${run.first + run.rows} are missing`);
  if (digest !== run.sha256) {
    throw new VerifyError(
      "tampered",
      place,
      `rows ${run.first} to ${run.first + run.rows} are not those that were sealed`,
    );
  }
  rows.set(key, run.first + run.rows);
}

/** SHA-256 of a range of a file, or `undefined` where the file ends before it. */
async function hashRange(path: string, offset: number, lengthBytes: number): Promise<string | undefined> {
  const hash = createHash("sha256");
  for (let done = 0; done < lengthBytes; ) {
    const bytes = await readPart(path, offset + done, Math.min(READ_BYTES, lengthBytes - done));
    if (!bytes?.length) return undefined;
    hash.update(bytes);
    done += bytes.length;
  }
  return hash.digest("hex");
}

/** Each file of rows is as long as its sealed rows: none that is sealed is missing, and none is there that is not. */
function checkExactlySealed(
  tree: TreeLayout,
  files: GenerationFiles,
  rows: RowCounts,
  widths: ReadonlyMap<string, number>,
): void {
  const missing = new Set(rows.keys());
  for (const space of files.spaces) {
    const definition = `vector/${space}/space.json`;
    const width = widths.get(space) ?? widthOf(readDefinition(tree, space).toString(), space, definition);
    for (const name of files.names(`vector/${space}`)) {
      if (name === "space.json") continue;
      const key = `${space}/${name}`;
      missing.delete(key);
      const file = `vector/${key}`;
      const sealedBytes = (rows.get(key) ?? 0) * width;
      const sizeBytes = files.sizeOf(file) ?? 0;
      if (sizeBytes > sealedBytes)
        throw new VerifyError("tampered", { file, offset: sealedBytes }, "there are rows that no seal names");
      if (sizeBytes < sealedBytes)
        throw new VerifyError("incomplete", { file, offset: sizeBytes }, "sealed rows are missing");
    }
  }
  const [gone] = missing;
  if (gone !== undefined) throw new VerifyError("incomplete", { file: `vector/${gone}` }, "sealed rows are missing");
}
