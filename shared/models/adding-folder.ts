// Where a model stands until it is whole: `<root>/models/.adding-<random>`, removed however the adding ends. What a kill or
// a power cut leaves is swept by the next one, once it is a day old: another may be at work beside this one.
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { RootLayout } from "../store/layout.js";
import { syncFolder } from "../store/write-file.js";

export const ADDING_PREFIX = ".adding-";
const SWEEP_AFTER_MS = 24 * 3600 * 1000;

/** Runs `body` with a new folder on the same filesystem as the models. */
export async function withAddingFolder<T>(root: string, body: (dir: string) => Promise<T>): Promise<T> {
  const { models } = new RootLayout(root);
  await mkdir(models, { recursive: true, mode: 0o755 });
  await sweep(models);
  const dir = await mkdtemp(join(models, ADDING_PREFIX));
  try {
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Gives the finished folder `from` its name, replacing what is there. Files in it are synced before; after this they and
 * their place survive a power cut. A crash in the middle leaves no model of this name, never half of one.
 */
export async function installFolder(from: string, root: string, id: string): Promise<void> {
  const { models } = new RootLayout(root);
  await chmod(from, 0o755);
  await syncFolder(from);
  await rename(from, join(models, id)).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    const old = await mkdtemp(join(models, ADDING_PREFIX));
    await rename(join(models, id), join(old, id));
    await rename(from, join(models, id));
    await rm(old, { recursive: true, force: true });
  });
  await syncFolder(models);
}

async function sweep(models: string): Promise<void> {
  for (const name of await readdir(models)) {
    if (!name.startsWith(ADDING_PREFIX)) continue;
    const path = join(models, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > SWEEP_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
