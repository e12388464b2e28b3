// Follows one growing file through rotation: by rename (the old file is read to its end, then the new one from its start)
// and by copy and truncate (said to the caller, who reads the history again).
import { type FileHandle, open, stat } from "node:fs/promises";

/** What one look at the file found. */
export type LogNews =
  | { kind: "bytes"; bytes: Buffer }
  | { kind: "new-file" }
  | { kind: "truncated" }
  | { kind: "none" };

const READ_BYTES = 256 * 1024;
/** The start of the file, remembered: a file that was truncated and has grown past our place again starts otherwise. */
const HEAD_BYTES = 256;

export class LogFollower {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #offset = 0;
  #head: Buffer = Buffer.alloc(0);

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
      await this.close();
      return { kind: "truncated" };
    }
    const bytes = await this.#read(this.#handle);
    if (bytes.length > 0) return { kind: "bytes", bytes };
    return (await this.#wasReplaced(this.#handle)) ? this.#follow() : { kind: "none" };
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#offset = 0;
    this.#head = Buffer.alloc(0);
    await handle?.close();
  }

  async #open(): Promise<boolean> {
    try {
      this.#handle = await open(this.#path, "r");
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }

  async #read(handle: FileHandle): Promise<Buffer> {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, READ_BYTES, this.#offset);
    const bytes = chunk.subarray(0, bytesRead);
    if (this.#offset < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD_BYTES - this.#offset)]);
    }
    this.#offset += bytesRead;
    return bytes;
  }

  async #wasTruncated(handle: FileHandle): Promise<boolean> {
    const { size } = await handle.stat();
    if (size < this.#offset) return true;
    if (size === this.#offset || this.#head.length === 0) return false;
    const start = Buffer.allocUnsafe(this.#head.length);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return !start.subarray(0, bytesRead).equals(this.#head);
  }

  async #wasReplaced(handle: FileHandle): Promise<boolean> {
    const now = await stat(this.#path).catch(() => undefined);
    // Between the rename and the new file there is none: the old one is still the one to read.
    return now !== undefined && now.ino !== (await handle.stat()).ino;
  }

  /** What was written between the last read and the rename is read before the old file is let go. */
  async #follow(): Promise<LogNews> {
    const handle = this.#handle as FileHandle;
    const rest = await this.#read(handle);
    if (rest.length > 0) return { kind: "bytes", bytes: rest };
    await this.close();
    await this.#open();
    return { kind: "new-file" };
  }
}
