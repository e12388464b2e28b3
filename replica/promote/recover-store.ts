// Brings a store to a known state at the start, after a stop of any kind: half generations are swept, a generation that was
// renamed but not yet current is made current, and the state to verify the next one from is read back or rebuilt.
import { readFile } from "node:fs/promises";
import { type Checkpoint, parseCheckpoint } from "../../shared/format/checkpoint.js";
import { addSignature, type NoteSigner, type NoteVerifier, openNote } from "../../shared/format/signed-note.js";
import { ElementHeads } from "../../shared/store/element-heads.js";
import { currentGeneration, listGenerations, swapCurrent, sweepStore } from "../../shared/store/generations.js";
import type { StoreLayout } from "../../shared/store/layout.js";
import { headsPath, makeIndexFolder } from "../../shared/store/make-index-folder.js";
import { loadVerifiedState } from "../../shared/verify/load-verified-state.js";
import { MapHeads } from "../../shared/verify/map-heads.js";
import { VerifyError } from "../../shared/verify/verify-error.js";
import { NOTHING_VERIFIED, type VerifiedState, verifyGeneration } from "../../shared/verify/verify-generation.js";
import { acceptHead } from "./promote-generation.js";

export interface RecoveredStore {
  /** The current generation, verified; `generation` is 0 where there is none. */
  state: VerifiedState;
  /** The last checkpoint this replica accepted: maybe newer than `state` if the disk was put back to an older day. */
  accepted: { checkpoint: Checkpoint; note: string } | undefined;
  heads: ElementHeads;
  swept: string[];
  /** The current generation is no longer what was accepted. `state` then holds its number and nothing else. */
  damage: VerifyError | undefined;
}

export async function recoverStore(
  store: StoreLayout,
  storeUuid: string,
  keys: readonly NoteVerifier[],
  signer: NoteSigner,
): Promise<RecoveredStore> {
  const swept = await sweepStore(store);
  const newest = (await listGenerations(store)).at(-1) ?? 0;
  // Only verified arrivals are ever renamed into `generations`, so the newest one may be made current unseen.
  if (newest !== 0 && newest !== currentGeneration(store)) await swapCurrent(store, newest);
  await makeIndexFolder(store.index);
  const heads = ElementHeads.open(headsPath(store.index));
  if (newest === 0) heads.clear();
  try {
    const state = newest === 0 ? NOTHING_VERIFIED : await recoverState(store, storeUuid, newest, keys, heads);
    const accepted = await recoverHead(store, newest, keys, signer);
    return { state, accepted, heads, swept, damage: undefined };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    heads.clear();
    const accepted = await recoverHead(store, 0, keys, signer);
    return { state: { ...NOTHING_VERIFIED, generation: newest }, accepted, heads, swept, damage: error };
  }
}

async function recoverState(
  store: StoreLayout,
  storeUuid: string,
  generation: number,
  keys: readonly NoteVerifier[],
  heads: ElementHeads,
): Promise<VerifiedState> {
  const tree = store.generation(generation);
  const loaded = await loadVerifiedState(tree, generation, keys).catch(() => undefined);
  if (loaded && heads.size === loaded.size && heads.lastHash === loaded.lastHash) return loaded;
  // The heads are behind, ahead or gone, or the files are not what was verified: find out by walking all of it.
  const fresh = new MapHeads();
  const verified = await verifyGeneration({ tree, storeUuid, keys, generation, from: NOTHING_VERIFIED, heads: fresh });
  replaceHeads(heads, fresh, verified);
  return verified;
}

export function replaceHeads(
  heads: ElementHeads,
  fresh: MapHeads,
  { size, lastHash }: { size: number; lastHash: string },
): void {
  heads.clear();
  for (const [elementId, head] of fresh.all) heads.setHead(elementId, head);
  heads.commit(size, lastHash);
}

async function recoverHead(
  store: StoreLayout,
  generation: number,
  keys: readonly NoteVerifier[],
  signer: NoteSigner,
): Promise<RecoveredStore["accepted"]> {
  const kept = await readFile(store.acceptedHead, "utf8").catch(() => undefined);
  const accepted = kept === undefined ? undefined : { checkpoint: readHead(kept, [...keys, signer]), note: kept };
  if (generation === 0) return accepted;
  const note = await readFile(store.generation(generation).checkpoint, "utf8");
  const current = { checkpoint: readHead(note, keys), note: addSignature(note, signer) };
  if (accepted && accepted.checkpoint.size >= current.checkpoint.size) return accepted;
  await acceptHead(store, current.note);
  return current;
}

function readHead(note: string, keys: readonly NoteVerifier[]): Checkpoint {
  return parseCheckpoint(openNote(note, keys).text);
}
