// A checkpoint (C2SP tlog-checkpoint): origin, size and root of the ledger, one a line. The signed note around it is
// what a replica trusts, keeps as its accepted head, and cosigns.
import { FormatError } from "./format-error.js";
import { HASH_BYTES } from "./hash.js";

export interface Checkpoint {
  /** Name of the ledger, chosen at init, and the name of its signing key. */
  origin: string;
  /** Entries in the ledger. */
  size: number;
  /** RFC 6962 tree head, 32 bytes. */
  root: Buffer;
}

/** The note text of a checkpoint, ending in a newline. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Reads a note text; extension lines are allowed and passed over. @throws FormatError `bad-checkpoint` */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = "", sizeText = "", rootText = ""] = text.split("\n");
  const size = /^(0|[1-9]\d*)$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  const root = Buffer.from(rootText, "base64");
  if (origin === "") throw new FormatError("bad-checkpoint", "the checkpoint names no origin");
  if (!Number.isSafeInteger(size)) {
    throw new FormatError("bad-checkpoint", `the checkpoint's size is ${JSON.stringify(sizeText.slice(0, 40))}`);
  }
  if (root.length !== HASH_BYTES || root.toString("base64") !== rootText) {
    throw new FormatError("bad-checkpoint", `the checkpoint's root is ${JSON.stringify(rootText.slice(0, 60))}`);
  }
  return { origin, size, root };
}
