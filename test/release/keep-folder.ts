// Folders that are expensive to make, kept under what they were made of: a later release finds them again. One that was
// broken off is never found, because it gets its name when it is whole.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export interface KeepOptions {
  cache: string;
  /** Begins the folder's name; of each name only the newest is kept. */
  name: string;
  /** Everything that decides what is made. */
  madeOf: readonly string[];
  /** Make it again though it is there. */
  fresh: boolean;
}

/** Resolves with the folder that `make` has filled, now or earlier. */
export async function keepFolder(options: KeepOptions, make: (folder: string) => Promise<void>): Promise<string> {
  const { cache, name, madeOf, fresh } = options;
  const key = createHash("sha256").update(JSON.stringify(madeOf)).digest("hex").slice(0, 16);
  const kept = join(cache, `${name}-${key}`);
  if (!fresh && (await isFolder(kept))) return kept;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, `.${name}-`));
  try {
    await make(folder);
    await removeOthers(cache, name, key);
    await rm(kept, { recursive: true, force: true });
    await rename(folder, kept).catch(async (error: unknown) => {
      // Another run was first: what it made is the same.
      if (!(await isFolder(kept))) throw error;
    });
    return kept;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeOthers(cache: string, name: string, key: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    const isOfName = entry.startsWith(`${name}-`) && /^[0-9a-f]{16}$/.test(entry.slice(name.length + 1));
    if (isOfName && !entry.endsWith(key)) await rm(join(cache, entry), { recursive: true, force: true });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
