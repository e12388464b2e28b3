// Judges a live ledger by the store's own `verify`: copies it, signs a checkpoint over what it holds, walks it all.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatCheckpoint } from "../../shared/format/checkpoint.js";
import { leafHash } from "../../shared/format/hash.js";
import { type NoteSigner, signNote } from "../../shared/format/signed-note.js";
import { MerkleTree } from "../../shared/format/tree.js";
import { type StoreLayout, TreeLayout } from "../../shared/store/layout.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { MapHeads } from "../../shared/verify/map-heads.js";
import { NOTHING_VERIFIED, type VerifiedGeneration, verifyGeneration } from "../../shared/verify/verify-generation.js";
import { withFolder } from "./with-folder.js";

/** @throws VerifyError if the live ledger is not whole and linked */
export async function verifyLive(
  store: StoreLayout,
  signer: NoteSigner,
  storeUuid: string,
): Promise<VerifiedGeneration> {
  return withFolder(async (folder) => {
    const copy = new TreeLayout(folder);
    await cp(store.live.timing, copy.timing, { recursive: true });
    await mkdir(copy.vector);
    await writeFile(copy.vectorGeneration, "0\n");
    const tree = new MerkleTree();
    for (const name of listSegments(copy.entries, "jsonl")) {
      const lines = (await readFile(join(copy.entries, name))).toString("latin1").split("\n").slice(0, -1);
      for (const line of lines) tree.append(leafHash(Buffer.from(line, "latin1")));
    }
    const text = formatCheckpoint({ origin: signer.name, size: tree.size, root: tree.root() });
    await writeFile(copy.checkpoint, signNote(text, signer));
    return verifyGeneration({ tree: copy, storeUuid, keys: [signer], from: NOTHING_VERIFIED, heads: new MapHeads() });
  });
}
