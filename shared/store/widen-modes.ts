// Makes files readable for everyone where a command under a narrow umask made them. The modes of a live store travel with every
// generation, onto read-only snapshots that nobody can mend, and a replica's queries may be answered by a user of its
// own. Who gets as far as these files is decided by the folders above them.
import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { TreeLayout } from "./layout.js";

const READ = 0o444;
const READ_AND_PASS = 0o555;

/** Before anything is sealed from `tree`. Costs a look at each of its files, of 64 MiB the most. */
export async function widenModes({ timing, vector }: TreeLayout): Promise<void> {
  for (const subvolume of [timing, vector]) await widenFolder(subvolume);
}

/** Whatever is in the folder. Links are left alone. */
export async function widenFolder(path: string): Promise<void> {
  await widen(path, READ_AND_PASS);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await widenFolder(inner);
    else if (entry.isFile()) await widen(inner, READ);
  }
}

async function widen(path: string, wanted: number): Promise<void> {
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & wanted) !== wanted) await chmod(path, mode | wanted);
}
