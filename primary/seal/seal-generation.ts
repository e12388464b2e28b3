// Seals a generation: the seal entry, the signed checkpoint, the snapshots, `current`. The ledger is held from the last
// vector to the second snapshot, so that the pair is one moment of the store; appends wait those milliseconds. A seal that
// is made in a hurry goes without the vectors that are late, and says which.
//
// Crash points: until both snapshots are there, `openLedger` cuts the seal entry off and `sweepStore` removes the half
// generation, and the seal is made anew. After the second snapshot (each commits the filesystem) the generation stands,
// and only `current` may lag: the start swaps it.
import { rename, writeFile } from "node:fs/promises";
import { canonicalise } from "../../shared/format/canonical-json.js";
import { formatCheckpoint } from "../../shared/format/checkpoint.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE, sealElementId, sealState } from "../../shared/format/seal.js";
import { countSeqs, type SeqRanges } from "../../shared/format/seq-ranges.js";
import { type NoteSigner, signNote } from "../../shared/format/signed-note.js";
import { nowTimestamp } from "../../shared/format/timestamp.js";
import { joinSignals } from "../../shared/join-signals.js";
import { type Logger, StageTimes } from "../../shared/log.js";
import { snapshotReadOnly } from "../../shared/store/btrfs.js";
import { makePairFolder, swapCurrent } from "../../shared/store/generations.js";
import { type StoreLayout, SUBVOLUMES, type Subvolume } from "../../shared/store/layout.js";
import type { SpareProcesses } from "../../shared/store/spare-processes.js";
import type { AdmittedEvent, HeldLedger, SealedGeneration, TakenRows, VectorRows } from "../event.js";
import { waitForVectors } from "./wait-for-vectors.js";

export interface SealParts {
  store: StoreLayout;
  storeUuid: string;
  origin: string;
  /** Who signs the checkpoint, in the order of the signatures: asked when it is written. */
  signers: () => readonly [NoteSigner, ...NoteSigner[]];
  ledger: { readonly size: number; held<T>(act: (ledger: HeldLedger) => Promise<T>): Promise<T> };
  vectors: VectorRows;
  spares: SpareProcesses;
  /** Ends the waiting for vectors: the seal is made without those that are late. */
  hurry: AbortSignal;
  /** The daemon stops. */
  signal: AbortSignal;
  log: Logger;
}

/** How long a seal makes appends wait for the rest. Vectors that cannot be written, on a full disk, must not stop the ledger with them. */
const MAX_HELD_WAIT_MS = 10_000;

/** A generation, and which of its events are without their vector. */
export interface SealedWithLate extends SealedGeneration {
  late: SeqRanges;
}

/** Makes generation `generation` of everything in the ledger. */
export async function sealGeneration(parts: SealParts, generation: number): Promise<SealedWithLate> {
  const times = new StageTimes();
  await times.stage("wait_ms", waitForVectors(parts));
  let settle = () => {};
  const stands = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const made = parts.ledger.held(async (ledger) => {
    // Until the snapshots stand, no row is written: it would be in this generation without being named by its seal.
    const taken = await times.stage("vectors_ms", takeRows(parts, ledger.size, stands));
    const event = sealEvent(parts.storeUuid, generation, taken);
    await times.stage("entry_ms", ledger.append(event));
    const ends = { generation, size: ledger.size, root: ledger.root(), late: taken.late };
    await times.stage("ends_ms", writeEnds(parts, ends));
    await times.stage("snapshot_ms", snapshotPair(parts, generation));
    await swapCurrent(parts.store, generation);
    return ends;
  });
  const sealed = await made.finally(settle);
  parts.log.debug("sealed", { generation, size: sealed.size, late: countSeqs(sealed.late), ...times.ms });
  return sealed;
}

/** All rows; in a hurry those that are there, unless more are late than a seal can name. */
async function takeRows(
  { vectors, hurry, signal }: SealParts,
  size: number,
  stands: Promise<unknown>,
): Promise<TakenRows> {
  return joinSignals({ signals: [signal], withinMs: MAX_HELD_WAIT_MS }, async (deadline) => {
    const drained = joinSignals({ signals: [deadline, hurry] }, (enough) => vectors.drained(size, enough));
    await drained.catch((error: unknown) => {
      if (!hurry.aborted || deadline.aborted) throw error;
    });
    const taken = await vectors.takeAdded(size, stands);
    if (taken) return taken;
    await vectors.drained(size, deadline);
    return (await vectors.takeAdded(size, stands)) as TakenRows;
  });
}

function sealEvent(storeUuid: string, generation: number, { spaces, late: lateSeqs }: TakenRows): AdmittedEvent {
  const late = lateSeqs.length > 0 ? { late: lateSeqs } : {};
  return {
    elementId: sealElementId(storeUuid),
    elementType: SEAL_ELEMENT_TYPE,
    action: SEAL_ACTION,
    actor: "isochron-primary",
    timestamp: nowTimestamp(),
    priority: "low",
    source: "seal",
    stateJson: canonicalise(sealState({ generation, spaces, ...late })),
  };
}

/** The generation's number into `vector`, then the checkpoint into `timing`: written last. */
async function writeEnds(
  { store, origin, signers }: SealParts,
  { generation, size, root }: SealedGeneration,
): Promise<void> {
  await replaceUnsynced(store.live.vectorGeneration, `${generation}\n`);
  const text = formatCheckpoint({ origin, size, root });
  await replaceUnsynced(store.live.checkpoint, signNote(text, ...signers()));
}

/** Whole or not there, but durable only with the snapshot: an fsync here would double what the snapshot costs. */
async function replaceUnsynced(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}

async function snapshotPair({ store, spares }: SealParts, generation: number): Promise<void> {
  const tree = store.generation(generation);
  await makePairFolder(tree.dir);
  const snapshot = (name: Subvolume) => snapshotReadOnly(store.live.subvolume(name), tree.subvolume(name), { spares });
  await Promise.all(SUBVOLUMES.map(snapshot));
}
