// Follows one growing file through rotation: by rename (the old file is read to its end, then the new one from its start)
// and by copy and truncate (said to the caller, who knows what to read again). A file that is open stays readable whatever it
// is renamed to, so what must not be missed is opened in time.
import { type FileHandle, open, stat } from "node:fs/promises";

/** What one look at the file found. */
export type LogNews =
  | { kind: "bytes"; bytes: Buffer; offset: number }
  | { kind: "new-file" }
  | { kind: "truncated" }
  | { kind: "none" };

/** What stays with a file when it is renamed, and is not the next file's when the number of its inode is used again. */
export interface FileIdentity {
  inode: string;
  bornNs: string;
  /** Its first line, or what of it fits into 1 KiB: a truncated file goes on with another. */
  firstLine: string;
}

const READ_BYTES = 256 * 1024;
/** The start of the file, remembered: a file that was truncated and has grown past our place again starts otherwise. */
const HEAD_BYTES = 256;
const FIRST_LINE_BYTES = 1024;
/** Rotated files held open until they are read. */
const MAX_SUCCESSORS = 64;
const NEWLINE = 0x0a;

export class LogFollower {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #offset = 0;
  #head: Buffer = Buffer.alloc(0);
  /** Files that took the path since, oldest first. */
  #successors: FileHandle[] = [];
  #noticing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  /** The next bytes, or what became of the file. To be called again at once, except after `none`. */
  async next(): Promise<LogNews> {
    if (!this.#handle) return (await this.#open()) ? { kind: "new-file" } : { kind: "none" };
    if (await this.#wasTruncated(this.#handle)) {
      await this.#leave();
      return { kind: "truncated" };
    }
    const read = await this.#read(this.#handle);
    if (read.bytes.length > 0) return read;
    await this.notice();
    return this.#successors.length > 0 ? this.#follow(this.#handle) : { kind: "none" };
  }

  /** Opens the file that stands at the path now if it is another one. For callers that can't call `next` for a while. */
  notice(): Promise<void> {
    const noticing = this.#noticing.then(() => this.#noticeNow());
    this.#noticing = noticing.catch(() => undefined);
    return noticing;
  }

  /** Of the file that was read last. @throws Error when none is open */
  async identity(): Promise<FileIdentity> {
    const handle = this.#handle;
    if (!handle) throw new Error(`${this.#path} is not open`);
    const { ino, birthtimeNs } = await handle.stat({ bigint: true });
    const start = Buffer.alloc(FIRST_LINE_BYTES);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return { inode: String(ino), bornNs: String(birthtimeNs), firstLine: firstLineOf(start.subarray(0, bytesRead)) };
  }

  /** Passes over what is there, a last line without its newline aside. */
  async skipToEnd(): Promise<void> {
    const handle = this.#handle;
    if (!handle) return;
    this.#offset = await endOfLines(handle, (await handle.stat()).size);
    this.#head = Buffer.alloc(Math.min(HEAD_BYTES, this.#offset));
    await handle.read(this.#head, 0, this.#head.length, 0);
  }

  async close(): Promise<void> {
    await this.#noticing;
    await this.#leave();
    for (const successor of this.#successors.splice(0)) await successor.close();
  }

  async #leave(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#offset = 0;
    this.#head = Buffer.alloc(0);
    await handle?.close();
  }

  async #open(): Promise<boolean> {
    this.#handle = this.#successors.shift() ?? (await openIfThere(this.#path));
    return this.#handle !== undefined;
  }

  async #noticeNow(): Promise<void> {
    const newest = this.#successors.at(-1) ?? this.#handle;
    if (!newest || this.#successors.length >= MAX_SUCCESSORS) return;
    const { ino } = await newest.stat();
    const now = await stat(this.#path).catch(() => undefined);
    // Between the rename and the new file there is none: the old one is still the one to read.
    if (now === undefined || now.ino === ino) return;
    const successor = await openIfThere(this.#path);
    if (successor) this.#successors.push(successor);
  }

  async #read(handle: FileHandle): Promise<{ kind: "bytes"; bytes: Buffer; offset: number }> {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    const offset = this.#offset;
    const { bytesRead } = await handle.read(chunk, 0, READ_BYTES, offset);
    const bytes = chunk.subarray(0, bytesRead);
    if (offset < HEAD_BYTES) this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD_BYTES - offset)]);
    this.#offset += bytesRead;
    return { kind: "bytes", bytes, offset };
  }

  async #wasTruncated(handle: FileHandle): Promise<boolean> {
    const { size } = await handle.stat();
    if (size < this.#offset) return true;
    if (size === this.#offset || this.#head.length === 0) return false;
    const start = Buffer.allocUnsafe(this.#head.length);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return !start.subarray(0, bytesRead).equals(this.#head);
  }

  /** What was written between the last read and the rename is read before the old file is let go. */
  async #follow(handle: FileHandle): Promise<LogNews> {
    const rest = await this.#read(handle);
    if (rest.bytes.length > 0) return rest;
    await this.#leave();
    await this.#open();
    return { kind: "new-file" };
  }
}

/** The `firstLine` of a file that starts with these bytes. */
export function firstLineOf(start: Buffer): string {
  const end = start.indexOf(NEWLINE);
  return start.subarray(0, Math.min(end < 0 ? start.length : end, FIRST_LINE_BYTES)).toString("latin1");
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Behind the last newline before `size`. */
async function endOfLines(handle: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.allocUnsafe(READ_BYTES);
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - READ_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, end - from, from);
    const last = chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (last >= 0) return from + last + 1;
    end = from;
  }
  return 0;
}
