// What a generation holds that the newest does not: the bytes that come free when it goes. Only files that differ from the
// newest's are looked at, because asking btrfs about each extent of a large ledger takes long.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { exclusiveBytes } from "../../../shared/store/btrfs.js";
import { SUBVOLUMES, type TreeLayout } from "../../../shared/store/layout.js";

/** Before compression. What two earlier generations share with each other only is not counted. @throws StoreError */
export async function measurePinned(tree: TreeLayout, newest: TreeLayout, signal: AbortSignal): Promise<number> {
  const changed = await Promise.all(
    SUBVOLUMES.map((name) => listChanged(tree.subvolume(name), newest.subvolume(name))),
  );
  const files = changed.flat();
  return files.length === 0 ? 0 : exclusiveBytes(files, { signal });
}

async function listChanged(dir: string, newestDir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const changed = entries.map(async (entry) => {
    const [path, beside] = [join(dir, entry.name), join(newestDir, entry.name)];
    if (entry.isDirectory()) return listChanged(path, beside);
    return (await isUnchanged(path, beside)) ? [] : [path];
  });
  return (await Promise.all(changed)).flat();
}

/** Snapshots keep inode numbers and times. */
async function isUnchanged(path: string, beside: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(path), stat(beside).catch(() => undefined)]);
  return other !== undefined && one.ino === other.ino && one.size === other.size && one.mtimeMs === other.mtimeMs;
}
