// Files and links that are replaced in one step, also over what a crash left of an earlier one.
import assert from "node:assert/strict";
import { readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { replaceFile, swapSymlink, writeFileOnce } from "../../../shared/store/write-file.js";
import { withFolder } from "../../support/with-folder.js";

test("a file is replaced whole, over what a crash left beside it", async () => {
  await withFolder(async (dir) => {
    const path = join(dir, "file");
    await writeFile(`${path}.new`, "half of a lo");
    await replaceFile(path, "one\n");
    await writeFile(`${path}.new`, "much longer than what replaces it");
    await replaceFile(path, "two\n");
    assert.equal(await readFile(path, "utf8"), "two\n");
    assert.deepEqual(await readdir(dir), ["file"]);
  });
});

test("a file is written once, over what a crash left beside it", async () => {
  await withFolder(async (dir) => {
    const path = join(dir, "file");
    await writeFile(`${path}.new`, "half");
    await writeFileOnce(path, "one\n");
    await assert.rejects(writeFileOnce(path, "two\n"), { code: "exists" });
    assert.equal(await readFile(path, "utf8"), "one\n");
    assert.deepEqual(await readdir(dir), ["file"]);
  });
});

test("a link is swapped over what a crash left beside it, and leads nowhere else meanwhile", async () => {
  await withFolder(async (dir) => {
    const path = join(dir, "current");
    await symlink("generations/7", `${path}.new`);
    await swapSymlink(path, "generations/1");
    assert.equal(await readlink(path), "generations/1");
    await writeFile(`${path}.new`, "");
    await swapSymlink(path, "generations/2");
    assert.equal(await readlink(path), "generations/2");
    assert.deepEqual(await readdir(dir), ["current"]);
  });
});
