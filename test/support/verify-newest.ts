// What the `verify` command finds, without a process of its own: every byte of a store's current generation, from nothing.
import { basename } from "node:path";
import { parseVkey } from "../../shared/format/signed-note.js";
import { currentGeneration } from "../../shared/store/generations.js";
import type { StoreLayout } from "../../shared/store/layout.js";
import { MapHeads } from "../../shared/verify/map-heads.js";
import { NOTHING_VERIFIED, verifyGeneration } from "../../shared/verify/verify-generation.js";

/** Size and root of what is there. @throws VerifyError with the verdict and the first bad place */
export async function verifyNewest(store: StoreLayout, vkey: string): Promise<{ size: number; root: string }> {
  const { checkpoint } = await verifyGeneration({
    tree: store.generation(currentGeneration(store)),
    storeUuid: basename(store.dir),
    keys: [parseVkey(vkey)],
    from: NOTHING_VERIFIED,
    heads: new MapHeads(),
  });
  return { size: checkpoint.size, root: checkpoint.root.toString("base64") };
}
