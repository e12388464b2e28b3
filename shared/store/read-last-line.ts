// The last line of `entries/` or `payloads/`: nothing before it is walked, however long the ledger is.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { listSegments, MAX_LINE_BYTES } from "./read-lines.js";

const NEWLINE = 0x0a;
/** Far more than an entry, and a seal's usual payload. */
const FIRST_READ_BYTES = 64 * 1024;

/** Its bytes, newline excluded; `undefined` where the files do not end with a whole line. */
export async function readLastLine(dir: string): Promise<Buffer | undefined> {
  const name = listSegments(dir, "jsonl").at(-1);
  if (name === undefined) return undefined;
  const file = await open(join(dir, name), "r");
  try {
    const { size } = await file.stat();
    for (let lengthBytes = FIRST_READ_BYTES; ; lengthBytes *= 4) {
      const from = Math.max(0, size - lengthBytes);
      const tail = Buffer.alloc(size - from);
      const { bytesRead } = await file.read(tail, 0, tail.length, from);
      if (bytesRead < tail.length || tail.at(-1) !== NEWLINE) return undefined;
      const before = tail.length < 2 ? -1 : tail.lastIndexOf(NEWLINE, tail.length - 2);
      if (before >= 0 || from === 0) return tail.subarray(before + 1, -1);
      if (lengthBytes > MAX_LINE_BYTES) return undefined;
    }
  } finally {
    await file.close();
  }
}
