// Opens the ledger after a stop of any kind: clean, crash or power cut. What was sealed is checked against its
// checkpoint; what came after is kept where it stands whole in both tiers, and cut off from where it is torn or has a hole:
// nobody was told of it. Then the tree is completed from the entries, and the heads from the ledger.
import { readFile, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { canonicalise } from "../../shared/format/canonical-json.js";
import { type Checkpoint, parseCheckpoint } from "../../shared/format/checkpoint.js";
import { parseEntry } from "../../shared/format/entry.js";
import { HASH_BYTES, leafHash, sha256Hex } from "../../shared/format/hash.js";
import { parsePayload } from "../../shared/format/payload.js";
import { SEAL_ACTION, sealElementId } from "../../shared/format/seal.js";
import { claimedSigners, type NoteVerifier, openNote, shortKey } from "../../shared/format/signed-note.js";
import type { MerkleTree } from "../../shared/format/tree.js";
import { ElementHeads } from "../../shared/store/element-heads.js";
import type { StoreLayout, TreeLayout } from "../../shared/store/layout.js";
import { headsPath, makeIndexFolder } from "../../shared/store/make-index-folder.js";
import { readEventBatches, type StoredEvent } from "../../shared/store/read-events.js";
import { listSegments } from "../../shared/store/read-lines.js";
import { digestOf } from "./build-batch.js";
import type { LedgerParts } from "./ledger.js";
import { LedgerError } from "./ledger-error.js";
import { SegmentWriter } from "./segment-writer.js";
import { TreeFiles } from "./tree-files.js";

export interface LedgerToOpen {
  store: StoreLayout;
  storeUuid: string;
  /** Keys that sign, now or from the next rotation on: one of them signed the newest generation. */
  keys: readonly NoteVerifier[];
  /** The newest complete generation, 0 if there is none yet. */
  generation: number;
  segmentBytes?: number;
}

export interface OpenedLedger {
  parts: LedgerParts;
  /** Entries under the newest generation's checkpoint. */
  sealedSize: number;
  /** What recovery did, for the log. */
  recovered: { keptUnsealed: number; cutEvents: number };
}

/** @throws LedgerError `corrupt`, naming the place, if what is on disk is not what was sealed */
export async function openLedger({
  store,
  storeUuid,
  keys,
  generation,
  segmentBytes,
}: LedgerToOpen): Promise<OpenedLedger> {
  const live = store.live;
  const sealed = await readSealed(store, keys, generation);
  const sealedSize = sealed?.size ?? 0;
  const treeFiles = new TreeFiles(live);
  const tree = await loadSealedTree(live, treeFiles, sealed);
  const cutEvents = await cutUnfinished(live, sealElementId(storeUuid), sealedSize);
  await treeFiles.cutTo(sealedSize);
  await completeTree(live, tree, treeFiles);
  await makeIndexFolder(store.index);
  const heads = ElementHeads.open(headsPath(store.index));
  await completeHeads(live, heads, treeFiles, tree.size);
  const entries = await SegmentWriter.open(live.entries, listSegments(live.entries, "jsonl").at(-1), segmentBytes);
  const payloads = await SegmentWriter.open(live.payloads, listSegments(live.payloads, "jsonl").at(-1), segmentBytes);
  // What is kept was perhaps never synced. It is about to be counted as there, so make it so.
  await Promise.all([entries.sync(), payloads.sync()]);
  return {
    parts: { entries, payloads, treeFiles, tree, heads },
    sealedSize,
    recovered: { keptUnsealed: tree.size - sealedSize, cutEvents },
  };
}

async function readSealed(
  store: StoreLayout,
  keys: readonly NoteVerifier[],
  generation: number,
): Promise<Checkpoint | undefined> {
  if (generation === 0) return undefined;
  const path = store.generation(generation).checkpoint;
  const note = await readFile(path, "utf8");
  const { signedBy, text } = openNote(note, keys);
  if (signedBy.length > 0) return parseCheckpoint(text);
  const [own, by] = [keys.map(shortKey), claimedSigners(note)].map((names) => names.join(", ") || "none");
  throw new LedgerError("corrupt", `${path} is signed by ${by}; this store's key is ${own}`, {
    hint: "was `keys` brought back from a backup of before a key rotation? bring back the newest one",
  });
}

/** The tree at the sealed size, from its files, or from the entries where the files are damaged. */
async function loadSealedTree(live: TreeLayout, files: TreeFiles, sealed: Checkpoint | undefined): Promise<MerkleTree> {
  if (!sealed) return files.load(0);
  const loaded = await files.load(sealed.size).catch(() => undefined);
  if (loaded?.root().equals(sealed.root)) return loaded;
  await files.cutTo(0);
  const rebuilt = await files.load(0);
  await completeTree(live, rebuilt, files, sealed.size);
  if (rebuilt.size === sealed.size && rebuilt.root().equals(sealed.root)) return rebuilt;
  throw corrupt(`the entries in ${live.entries} are not those that the last checkpoint signed`);
}

/** Adds the leaves from the tree's size up to the ledger's end, or to `upTo`. */
async function completeTree(live: TreeLayout, tree: MerkleTree, files: TreeFiles, upTo = Infinity): Promise<void> {
  for await (const batch of readEventBatches(live, tree.size)) {
    if (!Array.isArray(batch)) return;
    const before = tree.size;
    for (const { seq, entry } of batch) {
      if (seq < upTo) tree.append(leafHash(entry.bytes), (level, hash) => files.add(level, hash));
    }
    await files.flush(before);
    if (tree.size >= upTo) return;
  }
}

/** Cuts off what does not stand whole in both tiers, and a last seal that never became a generation. */
async function cutUnfinished(live: TreeLayout, sealElement: string, sealedSize: number): Promise<number> {
  const { last, end } = await readUnsealed(live, sealElement, sealedSize);
  if (end.seq < sealedSize) throw corrupt(`${live.entries} ends at event ${end.seq}; ${sealedSize} were sealed`);
  // A seal without its generation was never seen by anyone: its place is given to the next entry.
  if (last?.isSeal) {
    await cutAt(live.entries, last.entry);
    await cutAt(live.payloads, last.payload);
    return 1;
  }
  if (end.entry) await cutAt(live.entries, end.entry);
  if (end.payload) await cutAt(live.payloads, end.payload);
  return end.entry || end.payload ? 1 : 0;
}

interface Unsealed {
  /** The last event that stands whole in both tiers. */
  last: { isSeal: boolean; entry: Place; payload: Place } | undefined;
  /** What stands behind it. */
  end: { seq: number; entry: Place | undefined; payload: Place | undefined };
}

async function readUnsealed(live: TreeLayout, sealElement: string, sealedSize: number): Promise<Unsealed> {
  let last: Unsealed["last"];
  for await (const batch of readEventBatches(live, sealedSize)) {
    if (!Array.isArray(batch)) return { last, end: batch };
    const hole = batch.findIndex(hasHole);
    const whole = hole < 0 ? batch : batch.slice(0, hole);
    for (const event of whole) checkUnsealed(event);
    const tail = whole.at(-1);
    if (tail) last = { isSeal: isSeal(tail, sealElement), entry: placeOf(tail.entry), payload: placeOf(tail.payload) };
    if (hole >= 0) return { last, end: batch[hole] as StoredEvent };
  }
  throw corrupt(`${live.entries} could not be read to its end`);
}

function isSeal(event: StoredEvent, sealElement: string): boolean {
  const entry = parseEntry(event.entry.bytes.toString());
  return entry.action === SEAL_ACTION && entry.element_id === sealElement;
}

/**
 * NUL bytes, which no line has: a file's new length can reach the disk before all of its new bytes do, and what is missing
 * then reads as zeros. An ack waits for everything before it in the file, so from a hole on nothing was acked. (A disk that
 * loses what it had is another matter: btrfs answers that with EIO, never with zeros.)
 */
function hasHole({ entry, payload }: StoredEvent): boolean {
  return entry.bytes.includes(0) || payload.bytes.includes(0);
}

/** An unsealed line without a hole that is wrong was not left by a crash. */
function checkUnsealed({ seq, entry, payload }: StoredEvent): void {
  const place = `${entry.file} at byte ${entry.offset}`;
  let parsed: ReturnType<typeof parseEntry>;
  try {
    parsed = parseEntry(entry.bytes.toString());
  } catch (cause) {
    throw corrupt(`event ${seq} (${place}): ${(cause as Error).message}`, cause);
  }
  if (parsed.seq !== seq) throw corrupt(`event ${seq} (${place}) says it is event ${parsed.seq}`);
  if (parsed.payload_hash !== sha256Hex(payload.bytes)) {
    throw corrupt(
      `the payload of event ${seq} (${payload.file} at byte ${payload.offset}) is not the one its entry names`,
    );
  }
}

interface Place {
  file: string;
  offset: number;
}

function placeOf({ file, offset }: Place): Place {
  return { file, offset };
}

/** Cuts a folder of lines: everything from `place` on goes. */
async function cutAt(dir: string, place: Place): Promise<void> {
  for (const name of listSegments(dir, "jsonl")) {
    if (name > place.file) await unlink(join(dir, name));
  }
  await truncate(join(dir, place.file), place.offset);
}

/** Brings the heads to the ledger's size, from scratch if they are of another history or ahead of it. */
async function completeHeads(live: TreeLayout, heads: ElementHeads, files: TreeFiles, size: number): Promise<void> {
  if (heads.size > size || !(await sameHistory(heads, files))) heads.clear();
  if (heads.size === size) return;
  for await (const batch of readEventBatches(live, heads.size)) {
    if (!Array.isArray(batch)) return;
    let lastHash = "";
    for (const { seq, entry, payload } of batch) {
      const parsed = parseEntry(entry.bytes.toString());
      lastHash = leafHash(entry.bytes).toString("hex");
      heads.addEntry(parsed, lastHash);
      const { idempotency_key: key, reason, state_snapshot } = parsePayload(payload.bytes.toString());
      if (key !== undefined) {
        const said = { elementId: parsed.element_id, elementType: parsed.element_type, action: parsed.action, reason };
        heads.setKey(key, {
          seq,
          hash: lastHash,
          digest: digestOf({ ...said, stateJson: canonicalise(state_snapshot) }),
        });
      }
    }
    heads.commit((batch.at(-1) as StoredEvent).seq + 1, lastHash);
  }
}

async function sameHistory(heads: ElementHeads, files: TreeFiles): Promise<boolean> {
  if (heads.size === 0) return true;
  const leaf = await files.read(0, heads.size - 1, 1);
  return leaf.length === HASH_BYTES && leaf.toString("hex") === heads.lastHash;
}

function corrupt(message: string, cause?: unknown): LedgerError {
  return new LedgerError("corrupt", message, {
    cause,
    hint: "run `isochron-primary verify`; if the store cannot be mended, start from a replica's copy",
  });
}
