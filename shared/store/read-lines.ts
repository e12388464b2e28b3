// Reads the append-only line files (`entries/`, `payloads/`) in ledger order. Lines come as stored bytes, so that they
// can be hashed as stored. A last line without its newline is reported, never passed off as a line.
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { firstSeqOf } from "../format/segment-name.js";

export interface StoredLine {
  seq: number;
  /** The line's bytes, newline excluded. Valid until the next line is asked for; copy to keep. */
  bytes: Buffer;
  /** Name of the segment within its folder. */
  file: string;
  /** Byte offset of the line in the segment. */
  offset: number;
}

/** What stands where a line should be: bytes after the last newline of a segment, or a hole between two segments. */
export interface LineFault {
  fault: "torn-line" | "gap";
  seq: number;
  file: string;
  offset: number;
}

const READ_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Names of the segments in `dir`, in ledger order. Anything else in the folder is left out. */
export async function listSegments(dir: string, extension: "jsonl" | "vec"): Promise<string[]> {
  const names = await readdir(dir);
  return names.filter((name) => /^\d{20}\./.test(name) && name.endsWith(`.${extension}`)).sort();
}

/** Where a line is known to start, so that a reader that remembers its place need not count newlines up to it. */
export interface LinePlace {
  seq: number;
  file: string;
  offset: number;
}

/**
 * Batches of lines from `fromSeq` (inclusive), at most about 1 MiB each. Ends after the last whole line, or with a batch
 * that ends in a fault. The buffers of a batch are valid until the next batch. `known` is a place at or before `fromSeq`
 * from which to start reading.
 */
export async function* readLineBatches(
  dir: string,
  fromSeq = 0,
  known?: LinePlace,
): AsyncGenerator<(StoredLine | LineFault)[]> {
  const segments = await listSegments(dir, "jsonl");
  // Begins with the line before, where there is one: what a segment holds beyond its own lines is found as a gap.
  const before = (name: string) => firstSeqOf(name) < fromSeq;
  const start = Math.max(0, known ? segments.indexOf(known.file) : segments.findLastIndex(before));
  let nextSeq: number | undefined;
  for (const file of segments.slice(start)) {
    const first = firstSeqOf(file);
    if (nextSeq !== undefined && first !== nextSeq) {
      yield [{ fault: "gap", seq: nextSeq, file, offset: 0 }];
      return;
    }
    const at = known?.file === file && known.seq <= fromSeq ? known : { seq: first, offset: 0 };
    nextSeq = yield* readSegment(join(dir, file), file, at, fromSeq);
    if (nextSeq < 0) return;
  }
}

/** Yields a segment's batches; returns the sequence number after its last line, or −1 after a fault. */
async function* readSegment(
  path: string,
  file: string,
  start: { seq: number; offset: number },
  fromSeq: number,
): AsyncGenerator<(StoredLine | LineFault)[], number> {
  const handle = await open(path, "r");
  try {
    let { seq, offset } = start;
    let rest: Buffer = Buffer.alloc(0);
    let atEnd = false;
    while (!atEnd) {
      const chunk = Buffer.allocUnsafe(rest.length + READ_BYTES);
      rest.copy(chunk);
      const { bytesRead } = await handle.read(chunk, rest.length, READ_BYTES, offset + rest.length);
      atEnd = bytesRead === 0;
      const bytes = chunk.subarray(0, rest.length + bytesRead);
      const batch: (StoredLine | LineFault)[] = [];
      let at = 0;
      for (let end = bytes.indexOf(NEWLINE, at); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
        if (seq >= fromSeq) batch.push({ seq, bytes: bytes.subarray(at, end), file, offset: offset + at });
        seq += 1;
        at = end + 1;
      }
      rest = bytes.subarray(at);
      offset += at;
      if (atEnd && rest.length > 0) batch.push({ fault: "torn-line", seq, file, offset });
      if (batch.length > 0) yield batch;
    }
    return rest.length > 0 ? -1 : seq;
  } finally {
    await handle.close();
  }
}
