// A fresh btrfs volume for one test: a loop-mounted file in a temp folder, unmounted and removed at the end even when
// the test fails. The loop device detaches itself with the last unmount.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { createLoopVolume } from "../../shared/store/volume.js";

const DEFAULT_BYTES = 512 * 1024 * 1024;

/** Runs `body` with the mount point of a new volume; its file is `<root>.btrfs`. */
export async function withVolume<T>(body: (root: string) => Promise<T>, sizeBytes = DEFAULT_BYTES): Promise<T> {
  const { root, remove } = await makeVolume(sizeBytes);
  try {
    return await body(root);
  } finally {
    await remove();
  }
}

/** As `withVolume`, for `before` and `after` hooks. */
export async function makeVolume(sizeBytes = DEFAULT_BYTES): Promise<{ root: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "isochron-volume-"));
  const root = join(folder, "root");
  const remove = async () => {
    await unmount(root);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await createLoopVolume(root, sizeBytes);
  } catch (error) {
    await remove();
    throw error;
  }
  return { root, remove };
}

/** Unmounts `root` if it is mounted, also while something still has files open there: then as soon as it lets go. */
export async function unmount(root: string): Promise<void> {
  const result = await execa("umount", [root], { reject: false });
  if (result.exitCode === 0 || /not mounted|no mount point|not found/.test(result.stderr)) return;
  await execa("umount", ["--lazy", root]);
}
