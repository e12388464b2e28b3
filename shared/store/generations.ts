// The generations of a store on disk: which are whole, which one is current, and how one goes. The same on both sides.
// A generation is whole when both its subvolumes are there, read-only; anything else in the folder is a crash's leavings.
import { readlinkSync } from "node:fs";
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { type CommandOptions, deleteSubvolume, isSubvolume } from "./btrfs.js";
import { type StoreLayout, SUBVOLUMES } from "./layout.js";
import { StoreError } from "./store-error.js";
import { swapSymlink } from "./write-file.js";

/** Numbers of the whole generations, ascending. */
export async function listGenerations(store: StoreLayout): Promise<number[]> {
  return (await scanGenerations(store)).whole;
}

/**
 * The whole generations, ascending, and the folders of older ones that are not whole: a deletion got no further than one of
 * the two. A folder above the newest whole one is a seal or a promotion under way.
 */
export async function scanGenerations(store: StoreLayout): Promise<{ whole: number[]; half: string[] }> {
  const names = (await readdir(store.generations).catch(emptyIfMissing)).filter((name) => /^[1-9]\d*$/.test(name));
  const isOne = await Promise.all(names.map((name) => isWhole(store, Number(name))));
  const whole = names
    .filter((_, i) => isOne[i])
    .map(Number)
    .sort((a, b) => a - b);
  const newest = whole.at(-1) ?? 0;
  return { whole, half: names.filter((name, i) => !isOne[i] && Number(name) < newest) };
}

/** The generation that `current` points at; 0 when there is none. */
export function currentGeneration(store: StoreLayout): number {
  try {
    return Number(basename(readlinkSync(store.current)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

/** Points `current` at a whole generation, in one step. Queries that begin after it see only that generation. */
export async function swapCurrent(store: StoreLayout, generation: number): Promise<void> {
  await swapSymlink(store.current, join("generations", String(generation)));
}

/**
 * Deletes the folders `names` under `generations`, whole or half, and commits: without that they would be back after a
 * crash. One that cannot go keeps none of the others; what each of those failed with is the answer, such as a StoreError
 * `busy` while a send reads it.
 */
export async function removeGenerations(
  store: StoreLayout,
  names: readonly string[],
  options: CommandOptions = {},
): Promise<Map<string, unknown>> {
  const failed = new Map<string, unknown>();
  const dirs = names.map((name) => ({ name, dir: join(store.generations, name) }));
  const paths = dirs.flatMap(({ dir }) => SUBVOLUMES.map((name) => join(dir, name)));
  const there = await Promise.all(paths.map(isSubvolume));
  const subvolumes = paths.filter((_, i) => there[i]);
  // One command and one commit for all of them. It goes on past one that fails; which one that was is asked below.
  if (subvolumes.length > 0) await deleteSubvolume(subvolumes, options).catch(() => undefined);
  for (const { name, dir } of dirs) {
    await deletePair(dir).catch((error: unknown) => failed.set(name, error));
  }
  return failed;
}

/** Removes what crashes left of generations that are not whole. Half of a deletion may stay: it is tried again later. */
export async function sweepStore(store: StoreLayout): Promise<string[]> {
  const swept: string[] = [];
  const { whole, half } = await scanGenerations(store);
  for (const name of await readdir(store.generations).catch(emptyIfMissing)) {
    if (whole.map(String).includes(name)) continue;
    try {
      await deletePair(join(store.generations, name));
      swept.push(join("generations", name));
    } catch (error) {
      // Such as one that a backup's send reads: no daemon has to wait for that with its start.
      if (!half.includes(name)) throw error;
    }
  }
  return swept;
}

/** An empty folder for a generation or an arrival. @throws StoreError `exists` */
export async function makePairFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o755 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new StoreError("exists", `${dir} is there already`, { cause });
  }
}

/** Deletes a folder of subvolumes and whatever else a hostile or broken stream put beside them, or in its place. */
export async function deletePair(dir: string): Promise<void> {
  const subvolumes: string[] = [];
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") return undefined;
    return emptyIfMissing(error);
  });
  if (!names) {
    await rm(dir, { force: true });
    return;
  }
  for (const name of names) {
    const path = join(dir, name);
    if (await isSubvolume(path)) subvolumes.push(path);
    else await rm(path, { recursive: true, force: true });
  }
  if (subvolumes.length > 0) {
    await deleteSubvolume(subvolumes).catch((error: unknown) => {
      // Somebody else swept it in this moment; what is left all the same keeps the folder from going.
      if (!(error instanceof StoreError) || error.code !== "missing") throw error;
    });
  }
  await rmdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

async function isWhole(store: StoreLayout, generation: number): Promise<boolean> {
  const tree = store.generation(generation);
  const there = await Promise.all(SUBVOLUMES.map((name) => isSubvolume(tree.subvolume(name))));
  return there.every(Boolean);
}

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
