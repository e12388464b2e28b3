// Reads the rows of one space in one generation by position: rows are numbered through all `.vec` files in name order.
// Positions never change, because the files only grow at the end.
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { rowBytes } from "../format/vector-row.js";

export interface RowFiles {
  dir: string;
  files: { name: string; first: number; rows: number }[];
  rows: number;
}

/** Some rows as they stand on disk, read as words: two words of sequence number, then the floats. */
export interface RowChunk {
  first: number;
  rows: number;
  /** Words per row: dimensions + 2. */
  stride: number;
  floats: Float32Array;
  words: Uint32Array;
}

const CHUNK_BYTES = 1024 * 1024;
const BIG_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

export async function listRows(dir: string, dimensions: number): Promise<RowFiles> {
  const names = (await readdir(dir)).filter((name) => /^\d{20}\.vec$/.test(name)).sort();
  const list: RowFiles = { dir, files: [], rows: 0 };
  for (const name of names) {
    const rows = Math.floor((await stat(join(dir, name))).size / rowBytes(dimensions));
    list.files.push({ name, first: list.rows, rows });
    list.rows += rows;
  }
  return list;
}

/** Rows of positions `from` (inclusive) to `to`, at most about 1 MiB at a time. */
export async function* readRowChunks(
  list: RowFiles,
  dimensions: number,
  from: number,
  to: number,
): AsyncGenerator<RowChunk> {
  const width = rowBytes(dimensions);
  const most = Math.max(1, Math.floor(CHUNK_BYTES / width));
  for (const file of list.files) {
    const end = Math.min(to, file.first + file.rows);
    let at = Math.max(from, file.first);
    if (at >= end) continue;
    const handle = await open(join(list.dir, file.name), "r");
    try {
      while (at < end) {
        const rows = Math.min(most, end - at);
        const bytes = Buffer.from(new ArrayBuffer(rows * width));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, (at - file.first) * width);
        if (bytesRead < bytes.length) throw new Error(`${file.name} is shorter than it was`);
        yield chunkOf(bytes, at, rows, dimensions + 2);
        at += rows;
      }
    } finally {
      await handle.close();
    }
  }
}

function chunkOf(bytes: Buffer, first: number, rows: number, stride: number): RowChunk {
  // Swapped by 32-bit words, both the floats and the two halves of the sequence number read right on any machine.
  if (BIG_ENDIAN) bytes.swap32();
  const { buffer } = bytes;
  return { first, rows, stride, floats: new Float32Array(buffer), words: new Uint32Array(buffer) };
}

/** Sequence number of row `i` of the chunk. */
export function seqOfRow({ words, stride }: RowChunk, i: number): number {
  return (words[i * stride] as number) + (words[i * stride + 1] as number) * 2 ** 32;
}

/** The vector of row `i` of the chunk; a view, not a copy. */
export function vectorOfRow({ floats, stride }: RowChunk, i: number): Float32Array {
  return floats.subarray(i * stride + 2, (i + 1) * stride);
}

export function isFiniteVector(vector: Float32Array): boolean {
  // One sum tells: any NaN or infinity in it stays.
  let sum = 0;
  for (let i = 0; i < vector.length; i += 1) sum += (vector[i] as number) * 0;
  return sum === 0;
}
