// A few bytes of a file, read without leaving the turn. Each trip to the thread pool costs a push 40 to 150 µs of processor,
// ten times what such a read takes by itself, and a push makes dozens of them in files that have just been written. Whatever is more may wait
// for the disk, and goes through the pool.
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

/** As much as is read in the turn. */
const SMALL_READ_BYTES = 64 * 1024;

/** `lengthBytes` from `offset`, fewer where the file ends; `undefined` where it cannot be opened. */
export async function readPart(path: string, offset: number, lengthBytes: number): Promise<Buffer | undefined> {
  return lengthBytes <= SMALL_READ_BYTES ? readNow(path, offset, lengthBytes) : readInPool(path, offset, lengthBytes);
}

function readNow(path: string, offset: number, lengthBytes: number): Buffer | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(lengthBytes);
    return bytes.subarray(0, readSync(fd, bytes, 0, lengthBytes, offset));
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

async function readInPool(path: string, offset: number, lengthBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return undefined;
  try {
    const bytes = Buffer.alloc(lengthBytes);
    const { bytesRead } = await file.read(bytes, 0, lengthBytes, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
