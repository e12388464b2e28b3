import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LEAST_METADATA_BYTES, ReplicaRoom } from "../../../replica/receive/require-room.js";
import { syncFilesystem } from "../../../shared/store/btrfs.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withVolume } from "../../support/with-volume.js";

const MIB = 2 ** 20;

test("a push is refused below what must stay free, what waits in memory counted as taken", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const said = await new ReplicaRoom(root, 1).describe();
    const room = new ReplicaRoom(root, said.free_bytes - 10 * MIB);
    await room.require();
    await room.require(9 * MIB);
    await assert.rejects(room.require(11 * MIB), { code: "no-space", message: /min_free_bytes is \d+/ });
    assert.equal((await room.describe()).min_free_bytes, said.free_bytes - 10 * MIB);
  }, 256 * MIB);
});

test("a volume whose metadata runs short is refused while there is room for data, and before btrfs itself fails", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const room = new ReplicaRoom(root, MIB);
    const { metadata_free_bytes: before, min_metadata_bytes: need } = await room.describe();
    assert.equal(need, LEAST_METADATA_BYTES);
    assert.ok((before as number) > 4 * LEAST_METADATA_BYTES, "even the smallest volume has enough when it is empty");
    // Data takes what is not allocated yet; what is left for metadata is filled with files small enough to lie in it.
    for (let i = 0; i < 130; i += 1) await writeFile(join(root, `bulk-${i}`), randomBytes(MIB));
    await syncFilesystem(root);
    // What is free again lies in what was allocated for data: metadata cannot have it.
    for (let i = 0; i < 130; i += 4) await rm(join(root, `bulk-${i}`));
    await syncFilesystem(root);
    const small = randomBytes(1900);
    for (let i = 0; ((await room.describe()).metadata_free_bytes as number) >= LEAST_METADATA_BYTES; i += 1) {
      const folder = join(root, `many-${i}`);
      await mkdir(folder);
      await Promise.all(Array.from({ length: 1000 }, (_, j) => writeFile(join(folder, `${j}`), small)));
      await syncFilesystem(root);
    }
    assert.ok((await room.describe()).free_bytes > 10 * MIB);
    await assert.rejects(room.require(), { code: "no-space", message: /left here for btrfs metadata/ });
  }, 256 * MIB);
});
