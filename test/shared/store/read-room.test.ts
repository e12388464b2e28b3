// Against what `btrfs filesystem usage` says of the same volume: on a real one, with metadata in two copies and in one.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { freeSpace, syncFilesystem } from "../../../shared/store/btrfs.js";
import { VolumeRoom } from "../../../shared/store/read-room.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";
import { unmount, withVolume } from "../../support/with-volume.js";

const MIB = 2 ** 20;

/** What `btrfs filesystem usage` gives for the same sum. */
async function metadataByUsage(root: string): Promise<number> {
  const { stdout } = await execa("btrfs", ["filesystem", "usage", "-b", root], { env: { LC_ALL: "C" } });
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1]);
  const ratio = number(/Metadata ratio:\s+([\d.]+)/);
  const [, kind = "", size, used] = /^(?:Data\+)?Metadata,(\S+): Size:(\d+), Used:(\d+)/m.exec(stdout) ?? [];
  assert.ok(kind !== "" && ratio > 0, stdout);
  const reserve = number(/Global reserve:\s+(\d+)/);
  return Number(size) - Number(used) - reserve + number(/Device unallocated:\s+(\d+)/) / ratio;
}

test("metadata that is free is what btrfs itself counts, before and after it is filled", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    const volume = new VolumeRoom(join(root));
    const before = await volume.read();
    assert.deepEqual(before.totalBytes, 256 * MIB);
    assert.ok(Math.abs((before.metadataFreeBytes as number) - (await metadataByUsage(root))) < 2 * MIB);
    await mkdir(join(root, "many"));
    // Small enough to be kept inside metadata.
    const small = randomBytes(1900);
    for (let i = 0; i < 4000; i += 1) await writeFile(join(root, "many", `${i}`), small);
    await syncFilesystem(root);
    const after = await volume.read();
    assert.ok(Math.abs((after.metadataFreeBytes as number) - (await metadataByUsage(root))) < 2 * MIB);
    const taken = (before.metadataFreeBytes as number) - (after.metadataFreeBytes as number);
    assert.ok(taken > 7 * MIB && taken < 40 * MIB, `${taken}`);
  }, 256 * MIB);
});

test("a volume that holds data and metadata together has its metadata counted too", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withFolder(async (folder) => {
    const [file, root] = [join(folder, "mixed.btrfs"), join(folder, "root")];
    await mkdir(root);
    await execa("truncate", ["-s", "64M", file]);
    await execa("mkfs.btrfs", ["-q", "--mixed", file]);
    await execa("mount", ["-o", "loop", file, root]);
    try {
      const { metadataFreeBytes } = await new VolumeRoom(root).read();
      assert.ok(Math.abs((metadataFreeBytes as number) - (await metadataByUsage(root))) < 2 * MIB);
    } finally {
      await unmount(root);
    }
  });
});

test("where the kernel shows no metadata, the rest is told all the same", async () => {
  const { totalBytes } = await freeSpace("/proc");
  assert.deepEqual(await new VolumeRoom("/proc").read(), { freeBytes: 0, totalBytes, metadataFreeBytes: undefined });
});
