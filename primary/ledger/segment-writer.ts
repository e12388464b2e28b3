// Appends to the newest segment of one folder of lines. All durability of the ledger is here: `append` writes, `sync`
// makes it survive a power cut. Expected system calls of one batch: pwrite, fdatasync; when a segment is full also
// openat(O_CREAT|O_EXCL) and fsync of the folder before the first line of the new segment is acked.
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { SEGMENT_BYTES, segmentName } from "../../shared/format/segment-name.js";
import { syncFolder } from "../../shared/store/write-file.js";
import { writeWhole } from "./write-whole.js";

export class SegmentWriter {
  readonly #dir: string;
  readonly #segmentBytes: number;
  #file: FileHandle;
  #lengthBytes: number;

  private constructor(dir: string, segmentBytes: number, file: FileHandle, lengthBytes: number) {
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
    this.#file = file;
    this.#lengthBytes = lengthBytes;
  }

  /** Opens the newest segment in `dir`, or makes the first one. */
  static async open(dir: string, newest: string | undefined, segmentBytes = SEGMENT_BYTES): Promise<SegmentWriter> {
    if (newest === undefined) {
      const file = await createSegment(dir, 0);
      return new SegmentWriter(dir, segmentBytes, file, 0);
    }
    const file = await open(join(dir, newest), "r+");
    return new SegmentWriter(dir, segmentBytes, file, (await file.stat()).size);
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Starts a new segment if the present one is full. Called between batches: a batch never straddles two segments. */
  async rollIfFull(nextSeq: number): Promise<void> {
    if (this.#lengthBytes < this.#segmentBytes) return;
    const full = this.#file;
    this.#file = await createSegment(this.#dir, nextSeq);
    this.#lengthBytes = 0;
    await full.close();
  }

  /** Writes at the end. Not durable until `sync`. A failed write is cut off again by `cutTo`. */
  async append(bytes: Buffer): Promise<void> {
    await writeWhole(this.#file, bytes, this.#lengthBytes);
    this.#lengthBytes += bytes.length;
  }

  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  /** Back to a length the segment had, after a batch that failed. */
  async cutTo(lengthBytes: number): Promise<void> {
    await this.#file.truncate(lengthBytes);
    this.#lengthBytes = lengthBytes;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function createSegment(dir: string, firstSeq: number): Promise<FileHandle> {
  const file = await open(join(dir, segmentName(firstSeq, "jsonl")), "wx");
  try {
    await syncFolder(dir);
  } catch (cause) {
    await file.close();
    throw cause;
  }
  return file;
}
