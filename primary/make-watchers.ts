// Makes the sources that watch elements, as the configuration says, and what they stand on: what the ledger last knew.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isWatchingSource } from "../shared/format/watching-source.js";
import type { Logger } from "../shared/log.js";
import type { StoreLayout } from "../shared/store/layout.js";
import { makeIndexFolder, sourcesPath } from "../shared/store/make-index-folder.js";
import { KnownElements } from "./sources/known-elements.js";

/** Opens what the ledger last knew of each watched element; it must catch up before a source starts. */
export async function openKnownElements(store: StoreLayout, log: Logger): Promise<KnownElements> {
  const folder = sourcesPath(store.index);
  await makeIndexFolder(store.index);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return KnownElements.open({ path: join(folder, "known.db"), isWatched: isWatchingSource, log });
}
