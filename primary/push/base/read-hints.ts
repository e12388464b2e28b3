// Hint files of the folder `links`: small JSON files, each of one replica. One that cannot be read is no hint.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";

/** The hints in files of this suffix that fit the schema and are of the replica of this name. */
export async function readHints<T extends { name: string }>(
  dir: string,
  suffix: string,
  schema: z.ZodType<T>,
  name: string,
): Promise<T[]> {
  const hints: T[] = [];
  for (const file of await readdir(dir)) {
    if (!file.endsWith(suffix)) continue;
    const parsed = schema.safeParse(await readJson(join(dir, file)));
    if (parsed.success && parsed.data.name === name) hints.push(parsed.data);
  }
  return hints;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}
