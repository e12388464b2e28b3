// The files of a rotated log in order of age, and their bytes: `dpkg.log.3.gz`, `dpkg.log.2.gz`, `dpkg.log.1`, `dpkg.log`.
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createGunzip } from "node:zlib";

export interface RotatedFile {
  path: string;
  inode: number;
  /** A rotated file still grows while its writer holds it open. */
  sizeBytes: number;
}

/** The rotated files of the log `path`, oldest first; the log itself is not among them. An absent folder has none. */
export async function listRotated(path: string): Promise<RotatedFile[]> {
  const folder = dirname(path);
  const pattern = new RegExp(`^${basename(path).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\.(\\d+)(?:\\.gz)?$`);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const numbered = names.flatMap((name) => {
    const number = pattern.exec(name)?.[1];
    return number === undefined ? [] : [{ name, number: Number(number) }];
  });
  numbered.sort((a, b) => b.number - a.number || (a.name < b.name ? 1 : -1));
  const files: RotatedFile[] = [];
  for (const { name } of numbered) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) files.push({ path: join(folder, name), inode: found.ino, sizeBytes: found.size });
  }
  return files;
}

/** The file's bytes, unpacked. */
export async function* readRotated(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { signal });
  if (!path.endsWith(".gz")) {
    yield* file as AsyncIterable<Buffer>;
    return;
  }
  const unpacked = createGunzip();
  file.once("error", (error) => unpacked.destroy(error));
  yield* file.pipe(unpacked) as AsyncIterable<Buffer>;
}
