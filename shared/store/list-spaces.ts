// The spaces of a `vector` subvolume: its folders. Files there are the generation's number, and what a crash in the middle
// of a seal leaves of the next one.
import { readdir } from "node:fs/promises";
import type { TreeLayout } from "./layout.js";

/** Names of the spaces' folders. */
export async function listSpaces({ vector }: TreeLayout): Promise<string[]> {
  const found = await readdir(vector, { withFileTypes: true });
  return found.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
