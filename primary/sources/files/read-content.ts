// The content of one regular file: its hash, streamed, and its text when that is small. A file of which another process could
// have made a pipe or a device meanwhile is never opened: what is read is the inode that was held and looked at.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

export interface ContentLimits {
  /** Text is kept up to here. */
  maxTextBytes: number;
  /** What is longer is not read. */
  maxHashBytes: number;
}

export type Content =
  | { kind: "hashed"; sizeBytes: number; sha256: Buffer; text: string | "binary" | "too large" }
  | { kind: "too large" }
  | { kind: "not readable" };

const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const CHUNK_BYTES = 128 * 1024;

/** `held` is a file held with O_PATH and found to be regular. */
export async function readContent(held: FileHandle, limits: ContentLimits): Promise<Content> {
  let file: FileHandle | undefined;
  try {
    file = await openHeld(held);
    return await hash(file, limits);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return { kind: "not readable" };
  } finally {
    await file?.close();
  }
}

/** The daemon's reading leaves no trace in the times of access, where it may ask for that. */
async function openHeld({ fd }: FileHandle): Promise<FileHandle> {
  const path = `/proc/self/fd/${fd}`;
  return open(path, READ_FLAGS | constants.O_NOATIME).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EPERM") throw error;
    return open(path, READ_FLAGS);
  });
}

async function hash(file: FileHandle, { maxTextBytes, maxHashBytes }: ContentLimits): Promise<Content> {
  const sha256 = createHash("sha256");
  const head: Buffer[] = [];
  const { size } = await file.stat();
  const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK_BYTES, size + 1)));
  let sizeBytes = 0;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, sizeBytes);
    if (bytesRead === 0) break;
    sizeBytes += bytesRead;
    if (sizeBytes > maxHashBytes) return { kind: "too large" };
    const bytes = chunk.subarray(0, bytesRead);
    sha256.update(bytes);
    if (sizeBytes <= maxTextBytes) head.push(Buffer.from(bytes));
  }
  const text = sizeBytes > maxTextBytes ? "too large" : decode(Buffer.concat(head));
  return { kind: "hashed", sizeBytes, sha256: sha256.digest(), text };
}

function decode(bytes: Buffer): string | "binary" {
  if (bytes.includes(0)) return "binary";
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "binary";
  }
}
