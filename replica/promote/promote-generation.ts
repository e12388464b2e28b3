// Makes a verified arrival the store's current generation.
//
// Order, and what a crash leaves behind:
//   1. staging/<tx> renamed to generations/<n>     the start finds a whole generation newer than current: goes on with 2
//   2. current swapped: queries see it              the accepted head is older than current: goes on with 3
//   3. accepted-head replaced, all three synced    all done; the primary hears of it at the next hello
// A subvolume cannot be renamed across folders while read-only, but the plain folder that holds the two can.
import { rename } from "node:fs/promises";
import { swapCurrent } from "../../shared/store/generations.js";
import type { StoreLayout, TreeLayout } from "../../shared/store/layout.js";
import { replaceFile } from "../../shared/store/write-file.js";

export async function promoteGeneration(store: StoreLayout, arrived: TreeLayout, generation: number): Promise<void> {
  const { dir } = store.generation(generation);
  await rename(arrived.dir, dir);
  await swapCurrent(store, generation);
}

/** Step 3, with a sync of `generations` beside it. `note` is the checkpoint with this replica's cosignature. Its folder sync makes the swap durable too. */
export async function acceptHead(store: StoreLayout, note: string): Promise<void> {
  await replaceFile(store.acceptedHead, note);
}
