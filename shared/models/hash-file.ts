// SHA-256 of a file of any size, without holding it in memory.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const READ_BYTES = 1024 * 1024;

/** 64 lower-case hex digits. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path, { highWaterMark: READ_BYTES, ...(signal && { signal }) })) {
    hash.update(bytes as Buffer);
  }
  return hash.digest("hex");
}
