// Models share the volume with the ledger, which must never be the one that finds it full.
import { statfs } from "node:fs/promises";
import { formatMebibytes } from "../config/parse-size.js";
import { ModelError } from "./model-error.js";

/** What is left for the ledger, and for pushes to a replica. */
const KEPT_FREE_BYTES = 128 * 1024 * 1024;

/** Does nothing where the size is not known before. @throws ModelError `no-space` */
export async function requireRoom(dir: string, what: string, sizeBytes: number | undefined): Promise<void> {
  if (sizeBytes === undefined) return;
  const { bavail, bsize } = await statfs(dir);
  const freeBytes = bavail * bsize;
  if (freeBytes >= sizeBytes + KEPT_FREE_BYTES) return;
  const [size, free] = [sizeBytes, freeBytes].map(formatMebibytes);
  throw new ModelError("no-space", `${what} takes ${size}, and ${free} are free; nothing was added`, {
    hint: `make room: ${formatMebibytes(KEPT_FREE_BYTES)} are left free for the ledger`,
  });
}
