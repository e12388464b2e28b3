// The one store that the quickstart's replica holds.
import { readdir } from "node:fs/promises";
import { RootLayout } from "../../shared/store/layout.js";

export async function readStoreUuid(root: string): Promise<string> {
  const [uuid] = await readdir(new RootLayout(root).stores);
  if (uuid === undefined) throw new Error(`no store has arrived in ${root}`);
  return uuid;
}
