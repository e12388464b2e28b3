// The folder of what is derived: the heads and what sources know (of the daemon), the catalog and segments (of the query process). Without
// copy-on-write, because databases rewrite pages in place; the files are disposable, so checksums of them are not missed.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

const HEADS = "heads.db";
const SOURCES = "sources";
const TEXTS = "texts";

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
  await execa("chattr", ["+C", dir], { env: { LC_ALL: "C" }, stdin: "ignore", reject: false });
}

/** Removes what the query process derived. The rest stays: the daemon has it open. */
export async function clearQueryIndex(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    if (!name.startsWith(HEADS) && name !== SOURCES && name !== TEXTS)
      await rm(join(dir, name), { recursive: true, force: true });
  }
}
