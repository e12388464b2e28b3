// Reads the rows of one space in one generation by position: rows are numbered through all `.vec` files in name order.
// Positions never change, because the files only grow at the end.
import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { scaleToUnit } from "../embed/unit-vector.js";
import { VALUE_FORMATS, type Words, wordsOf } from "../format/row-values.js";
import { type RowShape, rowBytes, SEQ_BYTES, seqAt } from "../format/vector-row.js";
import { listSegments } from "../store/read-lines.js";
import { readInto } from "../store/read-part.js";
import type { RowBlock } from "./nearest-rows.js";

export interface RowFiles {
  dir: string;
  /** Where the same rows stand once the generation of `dir` is deleted: later ones only add to them. */
  laterDir: string;
  files: { name: string; first: number; rows: number }[];
  rows: number;
}

/** Some rows as they stand on disk, their vectors widened to singles. */
export interface RowChunk extends RowBlock {
  stored: Words;
  /** Words of a stored row. */
  storedStride: number;
}

const CHUNK_BYTES = 1024 * 1024;
const SEQ_WORDS = SEQ_BYTES / 4;

export function listRows(dir: string, shape: RowShape, laterDir: string): RowFiles {
  const list: RowFiles = { dir, laterDir, files: [], rows: 0 };
  for (const name of listSegments(dir, "vec")) {
    const rows = Math.floor(statSync(join(dir, name)).size / rowBytes(shape));
    list.files.push({ name, first: list.rows, rows });
    list.rows += rows;
  }
  return list;
}

/** Rows of positions `from` (inclusive) to `to`, at most about 1 MiB at a time. */
export async function* readRowChunks(
  list: RowFiles,
  shape: RowShape,
  from: number,
  to: number,
): AsyncGenerator<RowChunk> {
  const width = rowBytes(shape);
  const most = Math.max(1, Math.floor(CHUNK_BYTES / width));
  for (const file of list.files) {
    const end = Math.min(to, file.first + file.rows);
    let at = Math.max(from, file.first);
    if (at >= end) continue;
    const fd = openRows(list, file.name);
    try {
      while (at < end) {
        const rows = Math.min(most, end - at);
        const bytes = Buffer.from(new ArrayBuffer(rows * width));
        const bytesRead = await readInto(fd, bytes, (at - file.first) * width);
        if (bytesRead < bytes.length) throw new Error(`${file.name} is shorter than it was`);
        yield chunkOf(wordsOf(bytes), at, rows, shape);
        at += rows;
      }
    } finally {
      closeSync(fd);
    }
  }
}

/** A file descriptor, which is the caller's to close. */
export function openRows({ dir, laterDir }: RowFiles, name: string): number {
  try {
    return openSync(join(dir, name), "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return openSync(join(laterDir, name), "r");
  }
}

function chunkOf(stored: Words, first: number, rows: number, shape: RowShape): RowChunk {
  const storedStride = rowBytes(shape) / 4;
  // Singles are searched where they are, between the sequence numbers.
  if (shape.dtype === "f32") {
    const { floats } = stored;
    return { first, rows, stride: storedStride, offset: SEQ_WORDS, floats, stored, storedStride };
  }
  const stride = shape.dimensions;
  const floats = new Float32Array(rows * stride);
  for (let i = 0; i < rows; i += 1) {
    VALUE_FORMATS[shape.dtype].read(stored, i * storedStride + SEQ_WORDS, stride, floats, i * stride);
    // Narrower values have rounding errors, which must not count as a difference in length.
    scaleToUnit(floats, i * stride, stride);
  }
  return { first, rows, stride, offset: 0, floats, stored, storedStride };
}

/** Sequence number of row `i` of the chunk. */
export function seqOfRow({ stored, storedStride }: RowChunk, i: number): number {
  return seqAt(stored, i * storedStride);
}

/** The vector of row `i` of the chunk; a view, not a copy. */
export function vectorOfRow({ floats, stride, offset }: RowChunk, i: number): Float32Array {
  const at = i * stride;
  // A stored row ends with its vector, as a widened one does.
  return floats.subarray(at + offset, at + stride);
}
