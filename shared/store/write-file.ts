// Small files that must be whole after a power cut: written beside, synced, renamed, and the folder synced.
import { link, open, rename, symlink, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { StoreError } from "./store-error.js";

/** Replaces `path` in one step. After it returns the new content survives a power cut; before, the old one does. */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const beside = await writeBeside(path, content, mode);
  await rename(beside, path);
  await syncFolder(dirname(path));
}

/** Creates `path` with all its content or not at all. @throws StoreError `exists` if it is there */
export async function writeFileOnce(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const beside = await writeBeside(path, content, mode);
  try {
    // link, unlike rename, refuses to replace.
    await link(beside, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new StoreError("exists", `${path} is there already and is written only once`, { cause });
  } finally {
    await unlink(beside);
  }
  await syncFolder(dirname(path));
}

/** Points the symlink `path` at `target` in one step. Durable only after the next filesystem sync or `syncFolder`. */
export async function swapSymlink(path: string, target: string): Promise<void> {
  const beside = `${path}.new`;
  await makeAnew(beside, () => symlink(target, beside));
  await rename(beside, path);
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeBeside(path: string, content: string | Uint8Array, mode: number): Promise<string> {
  const beside = `${path}.new`;
  const file = await makeAnew(beside, () => open(beside, "wx", mode));
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  return beside;
}

/** What a crash left there goes first. */
async function makeAnew<T>(path: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await unlink(path);
    return make();
  }
}
