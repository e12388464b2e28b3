// Makes a verified arrival the store's current generation.
//
// Order, and what a crash leaves behind:
//   1. staging/<tx> renamed to generations/<n>     the start finds a whole generation newer than current: goes on with 2
//   2. current swapped, both folders synced        the accepted head is older than current: goes on with 3
//   3. accepted-head replaced (synced)             all done; the primary hears of it at the next hello
// A subvolume cannot be renamed across folders while read-only, but the plain folder that holds the two can.
import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import { swapCurrent } from "../../shared/store/generations.js";
import type { StoreLayout, TreeLayout } from "../../shared/store/layout.js";
import { replaceFile, syncFolder } from "../../shared/store/write-file.js";

export async function promoteGeneration(store: StoreLayout, arrived: TreeLayout, generation: number): Promise<void> {
  const { dir } = store.generation(generation);
  await rename(arrived.dir, dir);
  await makeCurrent(store, generation);
}

/** Step 2, also run at the start for a generation that a crash left unpointed. */
export async function makeCurrent(store: StoreLayout, generation: number): Promise<void> {
  await syncFolder(dirname(store.generation(generation).dir));
  await swapCurrent(store, generation);
}

/** Step 3. `note` is the checkpoint with this replica's cosignature. Its folder sync makes the swap durable too. */
export async function acceptHead(store: StoreLayout, note: string): Promise<void> {
  await replaceFile(store.acceptedHead, note);
}
