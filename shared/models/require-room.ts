// Models share the volume with the ledger, which must never be the one that finds it full.
import { statfs } from "node:fs/promises";
import { formatMebibytes } from "../config/parse-size.js";
import { ModelError } from "./model-error.js";

/** What is left for the ledger, and for pushes to a replica. */
const KEPT_FREE_BYTES = 128 * 1024 * 1024;

/** Before it comes: does nothing where the size is not known by then. @throws ModelError `no-space` */
export async function requireRoom(dir: string, what: string, sizeBytes: number | undefined): Promise<void> {
  if (sizeBytes === undefined) return;
  const freeBytes = await freeBytesOf(dir);
  if (freeBytes >= sizeBytes + KEPT_FREE_BYTES) return;
  const [size, free] = [sizeBytes, freeBytes].map(formatMebibytes);
  throw noSpace(`${what} takes ${size}, and ${free} are free`);
}

/** While it comes: its size may not have been known, or others write too. @throws ModelError `no-space` */
export async function requireRoomStill(dir: string, what: string): Promise<void> {
  const freeBytes = await freeBytesOf(dir);
  if (freeBytes >= KEPT_FREE_BYTES) return;
  throw noSpace(`${formatMebibytes(freeBytes)} are free with a part of ${what}`);
}

async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

function noSpace(why: string): ModelError {
  return new ModelError("no-space", `${why}; nothing was added`, {
    hint: `make room: ${formatMebibytes(KEPT_FREE_BYTES)} are left free for the ledger`,
  });
}
