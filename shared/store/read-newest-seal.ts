// The seal that a generation ends with, read from the ends of its files: nothing before it is walked, however long the
// ledger is. It is bound to the event hash that the caller trusts.
import { parseEntry } from "../format/entry.js";
import { leafHashHex, sha256Hex } from "../format/hash.js";
import { parsePayload } from "../format/payload.js";
import { parseSeal, type Seal } from "../format/seal.js";
import type { TreeLayout } from "./layout.js";
import { readLastLine } from "./read-last-line.js";

/** `undefined` if the last entry is not the event of this hash, or its payload not the one it names. @throws FormatError */
export async function readNewestSeal(tree: TreeLayout, eventHash: string): Promise<Seal | undefined> {
  const entry = await readLastLine(tree.entries);
  const payload = await readLastLine(tree.payloads);
  if (!entry || !payload || leafHashHex(entry) !== eventHash) return undefined;
  if (sha256Hex(payload) !== parseEntry(entry.toString()).payload_hash) return undefined;
  return parseSeal(parsePayload(payload.toString()).state_snapshot);
}
