// The seal that a generation ends with, read from the ends of its files: nothing before it is walked, however long the
// ledger is. It is bound to the event hash that the caller trusts.
import { open } from "node:fs/promises";
import { join } from "node:path";
import { parseEntry } from "../format/entry.js";
import { leafHashHex, sha256Hex } from "../format/hash.js";
import { parsePayload } from "../format/payload.js";
import { parseSeal, type Seal } from "../format/seal.js";
import type { TreeLayout } from "./layout.js";
import { listSegments, MAX_LINE_BYTES } from "./read-lines.js";

const NEWLINE = 0x0a;
/** Far more than an entry, and a seal's usual payload. */
const FIRST_READ_BYTES = 64 * 1024;

/** `undefined` if the last entry is not the event of this hash, or its payload not the one it names. @throws FormatError */
export async function readNewestSeal(tree: TreeLayout, eventHash: string): Promise<Seal | undefined> {
  const entry = await readLastLine(tree.entries);
  const payload = await readLastLine(tree.payloads);
  if (!entry || !payload || leafHashHex(entry) !== eventHash) return undefined;
  if (sha256Hex(payload) !== parseEntry(entry.toString()).payload_hash) return undefined;
  return parseSeal(parsePayload(payload.toString()).state_snapshot);
}

/** Its bytes, newline excluded; `undefined` where the files do not end with a whole line. */
async function readLastLine(dir: string): Promise<Buffer | undefined> {
  const name = (await listSegments(dir, "jsonl")).at(-1);
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
