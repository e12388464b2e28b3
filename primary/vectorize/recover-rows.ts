// What a restart finds in a space's files: rows that seals cover are trusted, rows after them are read and checked one by
// one, and everything from the first unsound row of a file on is cut off, to be made again. Never cuts a covered row.
import { createHash } from "node:crypto";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import { type Space, spaceName } from "../../shared/format/space.js";
import { parseRows, rowBytes } from "../../shared/format/vector-row.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { readRowSeqs, seqsOf } from "../../shared/store/read-row-seqs.js";
import { isSoundRow } from "./is-sound-row.js";
import type { UnsealedRun } from "./row-files.js";
import { SeqSet } from "./seq-set.js";
import { VectorizeError } from "./vectorize-error.js";

export interface RecoverOptions {
  tree: TreeLayout;
  space: Space;
  /** Rows of each file that seals cover. */
  sealedRows: ReadonlyMap<string, number>;
  /** Whether a row that no seal covers may be this event's first: it is not sealed, or was late in its seal. */
  isOpen: (seq: number) => boolean;
  /** Whether this event is in a generation with its first row already: then it may get one here later, if it has none. */
  isSealed: (seq: number) => boolean;
}

export interface RecoveredRows {
  last: { file: string; rows: number } | undefined;
  runs: UnsealedRun[];
  /** Events whose rows were found. */
  seqs: number[];
  /** Bytes cut off. */
  cutBytes: number;
}

const READ_ROWS = 4096;

/** @throws VectorizeError `rows-missing` when a file is shorter than the seals say */
export async function recoverRows(options: RecoverOptions): Promise<RecoveredRows> {
  const folder = options.tree.space(spaceName(options.space));
  const files = listSegments(folder, "vec");
  for (const file of options.sealedRows.keys()) {
    if (!files.includes(file)) throw rowsMissing(join(folder, file), options.sealedRows.get(file) ?? 0, 0);
  }
  const recovered: RecoveredRows = { last: undefined, runs: [], seqs: [], cutBytes: 0 };
  const known = { seen: new Set<number>(), sealed: undefined };
  for (const file of files) await recoverFile(join(folder, file), file, options, recovered, known);
  recovered.seqs = [...known.seen];
  return recovered;
}

/** Events that have a row: behind the sealed rows, and, read only where it matters, among them. */
interface KnownRows {
  seen: Set<number>;
  sealed: SeqSet | undefined;
}

async function recoverFile(
  path: string,
  file: string,
  options: RecoverOptions,
  recovered: RecoveredRows,
  known: KnownRows,
): Promise<void> {
  const width = rowBytes(options.space);
  const first = options.sealedRows.get(file) ?? 0;
  const run: UnsealedRun = { file, first, rows: 0, hash: createHash("sha256") };
  const handle = await open(path, "r");
  let sizeBytes: number;
  try {
    sizeBytes = (await handle.stat()).size;
    if (sizeBytes < first * width) throw rowsMissing(path, first, Math.floor(sizeBytes / width));
    const chunk = Buffer.allocUnsafe(READ_ROWS * width);
    for (let sound = true; sound; ) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, (first + run.rows) * width);
      const whole = Math.floor(bytesRead / width);
      const read = chunk.subarray(0, whole * width);
      if (!known.sealed && seqsOf(read, width).some(options.isSealed)) known.sealed = await readSealed(options);
      const kept = countSound(read, options, known);
      run.hash.update(chunk.subarray(0, kept * width));
      run.rows += kept;
      sound = kept > 0 && kept === whole;
    }
  } finally {
    await handle.close();
  }
  const rows = first + run.rows;
  if (sizeBytes > rows * width) {
    await truncate(path, rows * width);
    recovered.cutBytes += sizeBytes - rows * width;
  }
  if (run.rows > 0) recovered.runs.push(run);
  recovered.last = { file, rows };
}

/** Events of the rows that seals cover. */
async function readSealed({ tree, space, sealedRows, isSealed }: RecoverOptions): Promise<SeqSet> {
  const folder = tree.space(spaceName(space));
  const width = rowBytes(space);
  const sealed = new SeqSet(0);
  for (const [file, rows] of sealedRows) {
    for await (const seqs of readRowSeqs(join(folder, file), width, 0, rows)) {
      for (const seq of seqs) if (isSealed(seq)) sealed.add(seq);
    }
  }
  return sealed;
}

/** Rows before the first one that cannot be right; their events are added to `seen`. */
function countSound(rows: Buffer, { space, isOpen, isSealed }: RecoverOptions, { seen, sealed }: KnownRows): number {
  let sound = 0;
  const mayBe = (seq: number) => isOpen(seq) || (isSealed(seq) && !sealed?.has(seq));
  for (const row of parseRows(rows, space)) {
    if (!mayBe(row.seq) || seen.has(row.seq) || !isSoundRow(row, space)) break;
    seen.add(row.seq);
    sound += 1;
  }
  return sound;
}

function rowsMissing(path: string, sealed: number, found: number): VectorizeError {
  return new VectorizeError("rows-missing", `${path} has ${found} rows, but seals cover ${sealed}`, {
    hint: "run `verify`, then restore the file from the last generation",
  });
}
