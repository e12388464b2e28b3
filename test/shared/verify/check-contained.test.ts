import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseCheckpoint } from "../../../shared/format/checkpoint.js";
import { openNote } from "../../../shared/format/signed-note.js";
import type { TreeLayout } from "../../../shared/store/layout.js";
import { checkContained } from "../../../shared/verify/check-contained.js";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "5e1f9d6c-30ab-4f0e-9c8b-6f2d1d0a7b12";

async function checkpointOf(tree: TreeLayout) {
  return parseCheckpoint(openNote(await readFile(tree.checkpoint, "utf8"), []).text);
}

test("an earlier generation is told from one of another history, at any size", async () => {
  await withFolder(async (root) => {
    const one = await StoreBuilder.create({ root: join(root, "one"), uuid: UUID });
    const other = await StoreBuilder.create({ root: join(root, "other"), uuid: UUID });
    // Past 256 leaves the tree has a second level of hashes.
    for (const count of [3, 250, 300]) {
      await one.seal(someEvents(count, 3, undefined, 1));
      await other.seal(someEvents(count, 2, undefined, 2));
    }
    const [newest, othersNewest] = [one.layout.generation(3), other.layout.generation(3)];
    for (const generation of [1, 2, 3]) {
      const earlier = await checkpointOf(one.layout.generation(generation));
      await checkContained(earlier, newest);
      await assert.rejects(checkContained(earlier, othersNewest), { verdict: "tampered", message: /another history/ });
    }
    const later = await checkpointOf(newest);
    await assert.rejects(checkContained(later, one.layout.generation(2)), { verdict: "tampered" });
  });
});
