import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isBtrfs } from "../../../shared/store/btrfs.js";
import { mountAt, parseMountInfo } from "../../../shared/store/read-mounts.js";
import type { StoreError } from "../../../shared/store/store-error.js";
import { createLoopVolume, ensureMounted, missingMountOptions } from "../../../shared/store/volume.js";
import { withFolder } from "../../support/with-folder.js";
import { unmount } from "../../support/with-volume.js";

const SIZE_BYTES = 256 * 1024 * 1024;

test("a loop volume is a sparse file beside the root, mounted with nothing executable in it", async () => {
  await withLoop(async (root) => {
    await createLoopVolume(root, SIZE_BYTES);
    const { size, blocks } = await stat(`${root}.btrfs`);
    assert.equal(size, SIZE_BYTES);
    assert.ok(blocks * 512 < SIZE_BYTES / 4);
    const mount = await mountAt(root);
    assert.equal(mount?.type, "btrfs");
    for (const option of ["nosuid", "nodev", "noexec"]) assert.ok(mount.options.includes(option), option);
    assert.deepEqual(await missingMountOptions(root), []);
  });
});

test("a volume that was unmounted is mounted again with what is in it", async () => {
  await withLoop(async (root) => {
    await createLoopVolume(root, SIZE_BYTES);
    await writeFile(join(root, "file"), "kept");
    await ensureMounted(root);
    await unmount(root);
    await ensureMounted(root);
    assert.equal(await readFile(join(root, "file"), "utf8"), "kept");
  });
});

test("a second volume is refused and the first one left as it was", async () => {
  await withLoop(async (root) => {
    await createLoopVolume(root, SIZE_BYTES);
    await writeFile(join(root, "file"), "kept");
    await assert.rejects(createLoopVolume(root, SIZE_BYTES), { code: "exists" });
    assert.equal(await readFile(join(root, "file"), "utf8"), "kept");
  });
});

test("a volume is never mounted over files", async () => {
  await withLoop(async (root) => {
    await mkdir(root);
    await writeFile(join(root, "file"), "mine");
    await assert.rejects(createLoopVolume(root, SIZE_BYTES), { code: "in-use" });
    await assert.rejects(stat(`${root}.btrfs`), { code: "ENOENT" });
  });
});

test("a root that is not on btrfs is an error that says so and names --loop", async () => {
  await withFolder(async (folder) => {
    if (await isBtrfs(folder)) return;
    await assert.rejects(ensureMounted(folder), (error: StoreError) => {
      return error.code === "not-btrfs" && /not lie on btrfs/.test(error.message) && /--loop/.test(error.hint ?? "");
    });
  });
});

test("a root that is not there is missing", async () => {
  await withFolder(async (folder) => {
    await assert.rejects(ensureMounted(join(folder, "nothing")), { code: "missing" });
  });
});

test("mount points with white space and a varying number of optional fields are read", () => {
  const text = [
    "22 1 0:21 / /proc rw,nosuid - proc proc rw",
    "90 22 7:0 / /srv/my\\040store\\011x rw,nodev shared:5 master:1 - btrfs /dev/loop0 rw,space_cache=v2",
    "",
  ].join("\n");
  assert.deepEqual(parseMountInfo(text), [
    { mountPoint: "/proc", type: "proc", source: "proc", options: ["rw", "nosuid"] },
    { mountPoint: "/srv/my store\tx", type: "btrfs", source: "/dev/loop0", options: ["rw", "nodev"] },
  ]);
});

/** Runs `body` with the path of a root yet to be made, with white space in it. */
async function withLoop(body: (root: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const root = join(folder, "a root");
    try {
      await body(root);
    } finally {
      await unmount(root);
    }
  });
}
