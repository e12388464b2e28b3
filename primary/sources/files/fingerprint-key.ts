// The key of fingerprints: what stands in the ledger for the content of secret files. A plain hash would let everyone who can
// read the ledger, a replica too, try out passwords until one fits. The key never leaves this host.
import { createHmac, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { sha256Hex } from "../../../shared/format/hash.js";
import { StoreError } from "../../../shared/store/store-error.js";
import { writeFileOnce } from "../../../shared/store/write-file.js";

const KEY_BYTES = 32;
const ID_CHARS = 8;

/** Of the content's SHA-256: same content, same fingerprint, and nothing else to be learnt from it. */
export type Fingerprint = (sha256: Buffer) => string;

/** The key at `path`, made now if there is none. @throws StoreError `unreadable` */
export async function openFingerprintKey(path: string): Promise<Fingerprint> {
  const key = await readOrMake(path);
  const id = sha256Hex(key).slice(0, ID_CHARS);
  return (sha256) => `${id}:${createHmac("sha256", key).update(sha256).digest("hex")}`;
}

/** Whether two fingerprints can be compared: a lost key must not make all secret files look changed. */
export function areOfOneKey(one: string, other: string): boolean {
  return one.slice(0, ID_CHARS) === other.slice(0, ID_CHARS);
}

async function readOrMake(path: string): Promise<Buffer> {
  try {
    await writeFileOnce(path, `${randomBytes(KEY_BYTES).toString("hex")}\n`, 0o600);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "exists") throw error;
  }
  await refuseWide(path);
  const hex = (await readFile(path, "utf8")).trim();
  if (/^[0-9a-f]{64}$/.test(hex)) return Buffer.from(hex, "hex");
  throw new StoreError("unreadable", `${path} holds no key of ${KEY_BYTES} bytes in hex`, {
    hint: "bring it back from a backup, or delete it: a new one is made, and secret files are recorded anew",
  });
}

async function refuseWide(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  throw new StoreError("unreadable", `${path} holds a key and others can read it`, { hint: `chmod 600 ${path}` });
}
