// Reads the append-only line files (`entries/`, `payloads/`) in ledger order. Lines come as stored bytes, so that they
// can be hashed as stored. A last line without its newline is reported, never passed off as a line.
import { closeSync, openSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { firstSeqOf } from "../format/segment-name.js";
import { readInto } from "./read-part.js";

export interface StoredLine {
  seq: number;
  /** The line's bytes, newline excluded. Valid until the next line is asked for; copy to keep. */
  bytes: Buffer;
  /** Name of the segment within its folder. */
  file: string;
  /** Byte offset of the line in the segment. */
  offset: number;
}

/**
 * What stands where a line should be: bytes after the last newline of a segment, a line longer than any may be, or a hole
 * before a segment.
 */
export interface LineFault {
  fault: "torn-line" | "long-line" | "gap";
  seq: number;
  file: string;
  offset: number;
}

const READ_BYTES = 1024 * 1024;
/**
 * A read begins with so much, and takes more each time that there was more. Most are of the few lines that a push has just
 * brought: buffers of a MiB for each of those had V8 collect its whole heap at every second push.
 */
const FIRST_READ_BYTES = 16 * 1024;
const READ_GROWTH = 4;
const NEWLINE = 0x0a;
/** No line is longer; a file of terabytes without a newline, which takes no space on disk, would else fill the memory. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Far more than 1 MiB of real lines; empty ones would make a batch of a million. */
const MAX_BATCH_LINES = 16_384;

/** Names of the segments in `dir`, in ledger order. Anything else in the folder is left out. */
export function listSegments(dir: string, extension: "jsonl" | "vec"): string[] {
  const names = readdirSync(dir);
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
 * from which to start reading. A line longer than `maxLineBytes` is a fault and is not read to its end.
 */
export async function* readLineBatches(
  dir: string,
  fromSeq = 0,
  known?: LinePlace,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<(StoredLine | LineFault)[]> {
  for await (const segment of segmentsInOrder(dir, fromSeq, known)) {
    if ("fault" in segment) {
      yield [segment];
      return;
    }
    segment.nextSeq = yield* readSegment(segment, { fromSeq, maxLineBytes });
  }
}

/** Which lines' places are wanted: `from`, every multiple of `every` behind it, and `to`, the one behind the last. */
export interface PlacesWanted {
  from: number;
  to: number;
  every: number;
}

/**
 * Where the wanted lines begin, without reading more of any line than where it ends. All lines from `from` up to the place
 * that came last are whole and without a gap; it ends early where a fault or the end of the lines comes first. A place at a
 * segment's end stands for the first line of the next.
 */
export async function* scanLinePlaces(
  dir: string,
  wanted: PlacesWanted,
  known?: LinePlace,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<LinePlace> {
  let isFirst = true;
  for await (const segment of segmentsInOrder(dir, wanted.from, known)) {
    if ("fault" in segment) return;
    if (isFirst && segment.start.seq === wanted.from) yield { file: segment.file, ...segment.start };
    isFirst = false;
    segment.nextSeq = yield* scanSegment(segment, wanted, maxLineBytes);
  }
}

interface Segment {
  path: string;
  file: string;
  /** Where to begin in it. */
  start: { seq: number; offset: number };
  /** Set by whoever has read it: the sequence number after its last line, or −1 after a fault, to end. */
  nextSeq: number;
}

/** The segments from that of line `fromSeq` on, or the gap where one should be. */
async function* segmentsInOrder(
  dir: string,
  fromSeq: number,
  known: LinePlace | undefined,
): AsyncGenerator<Segment | LineFault> {
  const segments = listSegments(dir, "jsonl");
  // Begins with the line before, where there is one: what a segment holds beyond its own lines is found as a gap.
  const before = (name: string) => firstSeqOf(name) < fromSeq;
  const start = Math.max(0, known ? segments.indexOf(known.file) : segments.findLastIndex(before));
  let nextSeq: number | undefined;
  for (const file of segments.slice(start)) {
    const first = firstSeqOf(file);
    // The first one that is read may begin before `fromSeq`, but not behind it.
    if (nextSeq === undefined ? first > fromSeq : first !== nextSeq) {
      yield { fault: "gap", seq: nextSeq ?? fromSeq, file, offset: 0 };
      return;
    }
    const { seq, offset } = known?.file === file && known.seq <= fromSeq ? known : { seq: first, offset: 0 };
    const segment: Segment = { path: join(dir, file), file, start: { seq, offset }, nextSeq: -1 };
    yield segment;
    nextSeq = segment.nextSeq;
    if (nextSeq < 0) return;
  }
}

/** Yields a segment's batches; returns the sequence number after its last line, or −1 after a fault. */
async function* readSegment(
  { path, file, start }: Segment,
  { fromSeq, maxLineBytes }: { fromSeq: number; maxLineBytes: number },
): AsyncGenerator<(StoredLine | LineFault)[], number> {
  const fd = openSync(path, "r");
  try {
    let { seq, offset } = start;
    let rest: Buffer = Buffer.alloc(0);
    let readBytes = FIRST_READ_BYTES;
    for (;;) {
      const bytes = await readOn(fd, rest, offset, readBytes);
      const atEnd = bytes.length === rest.length;
      if (bytes.length - rest.length >= readBytes) readBytes = Math.min(READ_BYTES, readBytes * READ_GROWTH);
      let batch: (StoredLine | LineFault)[] = [];
      let at = 0;
      for (let end = bytes.indexOf(NEWLINE, rest.length); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
        if (end - at > maxLineBytes) break;
        if (seq >= fromSeq) batch.push({ seq, bytes: bytes.subarray(at, end), file, offset: offset + at });
        seq += 1;
        at = end + 1;
        if (batch.length < MAX_BATCH_LINES) continue;
        yield batch;
        batch = [];
      }
      rest = bytes.subarray(at);
      offset += at;
      const fault = rest.length > maxLineBytes ? "long-line" : "torn-line";
      const isFaulty = fault === "long-line" || (atEnd && rest.length > 0);
      if (isFaulty) batch.push({ fault, seq, file, offset });
      if (batch.length > 0) yield batch;
      if (isFaulty) return -1;
      if (atEnd) return seq;
    }
  } finally {
    closeSync(fd);
  }
}

/** Yields the wanted places in a segment; returns the sequence number after its last line, or −1 after a fault or `to`. */
async function* scanSegment(
  { path, file, start }: Segment,
  { from, to, every }: PlacesWanted,
  maxLineBytes: number,
): AsyncGenerator<LinePlace, number> {
  const handle = await open(path, "r");
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  try {
    let { seq, offset } = start;
    let lineOffset = offset;
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset);
      const bytes = chunk.subarray(0, bytesRead);
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, end + 1)) {
        if (offset + end - lineOffset > maxLineBytes) return -1;
        seq += 1;
        lineOffset = offset + end + 1;
        const isWanted = seq === from || seq === to || (seq > from && seq % every === 0);
        if (isWanted) yield { seq, file, offset: lineOffset };
        if (seq === to) return -1;
      }
      offset += bytesRead;
      const restBytes = offset - lineOffset;
      if (restBytes > maxLineBytes || (bytesRead === 0 && restBytes > 0)) return -1;
      if (bytesRead === 0) return seq;
    }
  } finally {
    await handle.close();
  }
}

/** `rest`, which begins at `offset`, and what follows it: as much again, so that a long line is not copied for each MiB. */
async function readOn(fd: number, rest: Buffer, offset: number, readBytes: number): Promise<Buffer> {
  const moreBytes = Math.max(readBytes, rest.length);
  const chunk = Buffer.allocUnsafe(rest.length + moreBytes);
  rest.copy(chunk);
  const bytesRead = await readInto(fd, chunk.subarray(rest.length), offset + rest.length);
  return chunk.subarray(0, rest.length + bytesRead);
}
