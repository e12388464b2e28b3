// All the bytes or an error: the kernel may take fewer than it was given (a full disk, a file-size limit, a signal), and says so
// only in the count.
import type { FileHandle } from "node:fs/promises";

/** Writes `bytes` at `position`. Not durable until the file is synced. */
export async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
