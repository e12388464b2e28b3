// The folders of what is derived: the heads and what sources know (the daemon's, in `index`), the catalog and segments (of
// whoever answers queries, in `index/queries`). Without copy-on-write, because databases rewrite pages in place; the files
// are disposable, so checksums of them are not missed.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { StoreLayout } from "./layout.js";

/** By Node itself: query processes, which run nothing else, start sooner without execa. */
const run = promisify(execFile);
const HEADS = "heads.db";
const SOURCES = "sources";
const TEXTS = "texts";
const CATALOG = "catalog.db";
/** A space's folder: its fingerprint ends the name. */
const SPACE = /-[0-9a-f]{12}$/;
const SET_ASIDE = /^queries\.[0-9a-f]{12}$/;

/** Path of the heads in an index folder. */
export function headsPath(indexDir: string): string {
  return join(indexDir, HEADS);
}

/** Path, in an index folder, of the folder that a primary's sources keep what they know in. */
export function sourcesPath(indexDir: string): string {
  return join(indexDir, SOURCES);
}

/** Path of the folder in which workers keep the vectors of texts that they have embedded. */
export function embeddedTextsPath(indexDir: string): string {
  return join(indexDir, TEXTS);
}

/** Makes the folder if it is missing. Where the flag cannot be set (no btrfs, in tests) it works all the same. */
export async function makeIndexFolder(dir: string): Promise<void> {
  if ((await mkdir(dir, { recursive: true })) === undefined) return;
  await run("chattr", ["+C", dir]).catch(() => undefined);
}

/** Empties the folder of what queries derive. The folder stays: who answers queries may not be able to make it. */
export async function clearQueryIndex(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) await rm(join(dir, name), { recursive: true, force: true });
}

/**
 * Moves what queries derived before `index/queries` was, so that it is not built again, and sweeps what a crash left of
 * an index that was thrown away. For the daemon, before anything answers.
 */
export async function adoptQueryIndex({ index, queryIndex }: StoreLayout): Promise<void> {
  const names = await readdir(index).catch((): string[] => []);
  for (const name of names.filter((one) => SET_ASIDE.test(one))) await removeAside(join(index, name));
  const derived = names.filter((name) => name.startsWith(CATALOG) || SPACE.test(name));
  if (derived.length === 0) return;
  await makeIndexFolder(queryIndex);
  // The catalog itself last: nobody takes the half of a move that a crash cut short for the whole.
  for (const name of derived.sort(catalogLast)) {
    if (await isThere(join(queryIndex, name))) await rm(join(index, name), { recursive: true });
    else await rename(join(index, name), join(queryIndex, name));
  }
}

/** Takes the folder away at once, and then what is in it, whoever's it is: rm(1) follows no link on its way. */
export async function discardIndex(dir: string): Promise<void> {
  await removeAside(await setAside(dir));
}

/** Gives the folder another name, under which a crash leaves it to the next start to sweep. */
export async function setAside(dir: string): Promise<string> {
  const aside = `${dir}.${randomBytes(6).toString("hex")}`;
  await rename(dir, aside);
  return aside;
}

async function removeAside(path: string): Promise<void> {
  await run("rm", ["-rf", "--one-file-system", "--", path]);
}

function catalogLast(a: string, b: string): number {
  return Number(a.startsWith(CATALOG)) - Number(b.startsWith(CATALOG)) || b.length - a.length;
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
