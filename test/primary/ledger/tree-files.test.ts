// The hash files of the tree on a disk that fills up.
import assert from "node:assert/strict";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { TreeFiles } from "../../../primary/ledger/tree-files.js";
import { HASH_BYTES } from "../../../shared/format/hash.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";

const HASHES = 300;
const PAGE_BYTES = 4096;

function addHashes(files: TreeFiles): void {
  for (let i = 0; i < HASHES; i += 1) files.add(0, Buffer.alloc(HASH_BYTES, i + 1));
}

test("a write that the disk takes in part only is an error, not a shorter file", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withFolder(async (folder) => {
    await execa("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]);
    const layout = new TreeLayout(folder);
    const files = new TreeFiles(layout);
    try {
      await mkdir(layout.tree, { recursive: true });
      const filler = join(folder, "filler");
      // Room for one page: the first write of 9,600 bytes is taken up to there.
      await writeFile(layout.treeLevel(0), "");
      await writeFile(filler, Buffer.alloc(64 * 1024 - PAGE_BYTES));
      addHashes(files);
      await assert.rejects(files.flush(0), { code: "ENOSPC" });
      assert.equal((await stat(layout.treeLevel(0))).size, PAGE_BYTES);
      await rm(filler);
      addHashes(files);
      await files.flush(0);
      assert.equal((await files.read(0, HASHES - 1, 1)).readUInt8(0), HASHES % 256);
    } finally {
      await files.close();
      await execa("umount", [folder]);
    }
  });
});
