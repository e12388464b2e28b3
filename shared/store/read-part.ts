// A few bytes of a file, read without leaving the turn. Each trip to the thread pool costs a push 40 to 150 µs of processor,
// ten times what such a read takes by itself, and a push makes dozens of them in files that have just been written. Whatever is more may wait
// for the disk, and goes through the pool.
import { closeSync, openSync, read, readSync } from "node:fs";
import { promisify } from "node:util";

/** As much as is read in the turn. */
const SMALL_READ_BYTES = 64 * 1024;

const readInPool = promisify(read);

/** `lengthBytes` from `offset`, fewer where the file ends; `undefined` where it cannot be opened. */
export async function readPart(path: string, offset: number, lengthBytes: number): Promise<Buffer | undefined> {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(lengthBytes);
    return bytes.subarray(0, await readInto(fd, bytes, offset));
  } finally {
    closeSync(fd);
  }
}

/** Fills `bytes` from `offset` of an open file. Returns how many there were. */
export async function readInto(fd: number, bytes: Buffer, offset: number): Promise<number> {
  if (bytes.length <= SMALL_READ_BYTES) return readSync(fd, bytes, 0, bytes.length, offset);
  return (await readInPool(fd, bytes, 0, bytes.length, offset)).bytesRead;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}
