// `links/<replica-uuid>.json`: what a replica last acked, with its cosigned checkpoint as proof. A hint only: it pins a
// base over a restart; what the replica holds is asked of the replica.
import { z } from "zod";
import { replaceFile } from "../../../shared/store/write-file.js";
import { readHints } from "./read-hints.js";

const schema = z.object({
  replica: z.uuid(),
  name: z.string(),
  vkey: z.string(),
  generation: z.number().int().positive(),
  acked: z.string(),
  /** The checkpoint with the replica's cosignature. */
  note: z.string(),
  /** Since when there is a newer generation than this base; noted once it lasts. */
  superseded: z.iso.datetime().optional(),
  /** The base was let go: nothing is pinned for this replica until it has all of the store again. */
  lost: z.object({ generation: z.number().int().positive(), reason: z.string(), at: z.iso.datetime() }).optional(),
});
export type LinkHint = z.infer<typeof schema>;

/** The hint of the replica of this name, newest first; a file that cannot be read is no hint. */
export async function readLinkHint(dir: string, name: string): Promise<LinkHint | undefined> {
  const hints = await readHints(dir, ".json", schema, name);
  return hints.sort((a, b) => b.generation - a.generation)[0];
}

export async function writeLinkHint(path: string, hint: LinkHint): Promise<void> {
  await replaceFile(path, `${JSON.stringify(hint, null, 2)}\n`);
}
