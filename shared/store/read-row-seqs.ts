// Which events the rows of a `.vec` file are of, read without the vectors: for whoever asks only who has a row.
import { open } from "node:fs/promises";

const READ_BYTES = 1024 * 1024;

/** Sequence numbers of the rows `first` to `first + rows`; fewer where the file ends before. `width`: bytes of a row. */
export async function* readRowSeqs(path: string, width: number, first: number, rows: number): AsyncGenerator<number[]> {
  const file = await open(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(rows, Math.floor(READ_BYTES / width))) * width);
    const end = (first + rows) * width;
    for (let at = first * width; at < end; ) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, end - at), at);
      const whole = bytesRead - (bytesRead % width);
      if (whole === 0) return;
      yield seqsOf(chunk.subarray(0, whole), width);
      at += whole;
    }
  } finally {
    await file.close();
  }
}

/** Of whole rows in memory. */
export function seqsOf(rows: Uint8Array, width: number): number[] {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  return Array.from({ length: Math.floor(rows.length / width) }, (_, i) => Number(view.getBigUint64(i * width, true)));
}
