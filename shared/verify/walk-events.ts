// The walk over entries and payloads, line by line as stored: leaf hashes into the tree, each entry against its chain,
// each payload against its entry, each seal set aside for the vectors. At the end the root must be the signed one.
import type { Checkpoint } from "../format/checkpoint.js";
import { type Entry, parseEntry } from "../format/entry.js";
import { HASH_BYTES, leafHash, sha256Hex } from "../format/hash.js";
import { parsePayload } from "../format/payload.js";
import { parseSeal, SEAL_ACTION, type Seal, sealElementId } from "../format/seal.js";
import { MerkleTree } from "../format/tree.js";
import { type EventPlace, type EventsEnd, readEventBatches, type StoredEvent } from "../store/read-events.js";
import type { StoredLine } from "../store/read-lines.js";
import { readTreeHashes } from "./check-tree-files.js";
import { VerifyError } from "./verify-error.js";
import type { GenerationToVerify } from "./verify-generation.js";

export interface FoundSeal {
  seq: number;
  recorded: string;
  seal: Seal;
}

export interface WalkedEvents {
  tree: MerkleTree;
  /** Hashes of the subtrees completed on the way, by level from 1 on: leaves are compared as they come, and not kept. */
  levels: Buffer[][];
  seals: FoundSeal[];
  lastHash: string;
  last: EventPlace | undefined;
}

/** @throws VerifyError `tampered` or `incomplete` at the first bad place */
export async function walkEvents(options: GenerationToVerify, checkpoint: Checkpoint): Promise<WalkedEvents> {
  const walk: WalkedEvents = {
    tree: options.from.tree.clone(),
    levels: [],
    seals: [],
    lastHash: "",
    last: options.from.last,
  };
  const sealElement = sealElementId(options.storeUuid);
  const keepHash = (level: number, hash: Buffer) => {
    if (level === 0) return;
    const row = walk.levels[level];
    if (row) row.push(hash);
    else walk.levels[level] = [hash];
  };
  for await (const batch of readEventBatches(options.tree, options.from.size, options.from.last)) {
    options.signal?.throwIfAborted();
    if (!Array.isArray(batch)) {
      checkEnd(batch, checkpoint.size);
      break;
    }
    const stored = await readTreeHashes(options.tree, 0, (batch[0] as StoredEvent).seq, batch.length);
    for (const [i, event] of batch.entries()) {
      if (event.seq >= checkpoint.size) throw bad(event, "the checkpoint does not cover this entry");
      const leaf = leafHash(event.entry.bytes);
      if (!leaf.equals(stored.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES))) await blame(options, event, checkpoint);
      walk.tree.append(leaf, keepHash);
      walk.lastHash = leaf.toString("hex");
      if (walk.tree.size === options.mustContain?.size) checkContains(walk.tree, options.mustContain.root, event);
      const entry = checkEntry(options, event, walk.lastHash);
      if (options.element !== undefined && entry.element_id !== options.element && entry.element_id !== sealElement)
        continue;
      checkPayload(event, entry);
      if (entry.action === SEAL_ACTION && entry.element_id === sealElement)
        walk.seals.push(readSeal(options, event, entry, walk));
    }
    walk.last = placeOf(batch.at(-1) as StoredEvent);
    options.onProgress?.(walk.tree.size, checkpoint.size);
  }
  checkRoot(walk, checkpoint);
  return walk;
}

/** A copy without the bytes, which are valid until the next batch only. */
function placeOf({ entry, payload }: StoredEvent): EventPlace {
  const placeIn = ({ seq, file, offset }: StoredLine) => ({ seq, file, offset });
  return { entry: placeIn(entry), payload: placeIn(payload) };
}

function checkEntry({ heads }: GenerationToVerify, event: StoredEvent, hash: string): Entry {
  let entry: Entry;
  try {
    entry = parseEntry(event.entry.bytes.toString());
  } catch (cause) {
    throw bad(event, (cause as Error).message, undefined, cause);
  }
  const head = heads.head(entry.element_id);
  if (entry.seq !== event.seq) throw bad(event, `it says it is event ${entry.seq}`, entry.element_id);
  if (entry.height !== head.height + 1) {
    throw bad(event, `its height is ${entry.height}; its chain stands at ${head.height}`, entry.element_id);
  }
  if (entry.previous_event_hash !== head.hash) {
    throw bad(event, `it links to ${entry.previous_event_hash}; its chain ends in ${head.hash}`, entry.element_id);
  }
  heads.setHead(entry.element_id, { height: entry.height, hash });
  return entry;
}

function checkPayload({ seq, payload }: StoredEvent, entry: Entry): void {
  const place = { file: `timing/payloads/${payload.file}`, offset: payload.offset, seq, elementId: entry.element_id };
  if (sha256Hex(payload.bytes) !== entry.payload_hash) {
    throw new VerifyError("tampered", place, "the payload is not the one that the entry names");
  }
  // The hash binds every byte; that the line names its entry is the writer's duty, checked all the same.
  if (!payload.bytes.includes(`"seq":${seq},`))
    throw new VerifyError("tampered", place, "the payload names another event");
}

/** Seals count up by one: `n` has no gaps. */
function readSeal({ from }: GenerationToVerify, event: StoredEvent, entry: Entry, walk: WalkedEvents): FoundSeal {
  const previous = walk.seals.at(-1)?.seal.generation ?? from.generation;
  let seal: Seal;
  try {
    seal = parseSeal(parsePayload(event.payload.bytes.toString()).state_snapshot);
  } catch (cause) {
    throw bad(event, (cause as Error).message, entry.element_id, cause);
  }
  if (seal.generation !== previous + 1) {
    throw bad(event, `it seals generation ${seal.generation} after ${previous}`, entry.element_id);
  }
  return { seq: event.seq, recorded: entry.recorded, seal };
}

function checkEnd(end: EventsEnd, size: number): void {
  const here = end.entry ?? end.payload;
  const entriesEnd = end.entry === undefined || "fault" in end.entry;
  const placeIn = (tier: string) => ({
    file: `timing/${tier}/${here?.file ?? ""}`,
    offset: here?.offset ?? 0,
    seq: end.seq,
  });
  if (end.seq < size) {
    const place = placeIn(entriesEnd ? "entries" : "payloads");
    throw new VerifyError("incomplete", place, `the events end at ${end.seq}; the checkpoint covers ${size}`);
  }
  if (here) {
    const place = placeIn(end.entry ? "entries" : "payloads");
    throw new VerifyError("tampered", place, "there are bytes beyond what the checkpoint covers");
  }
}

/** Two histories that part before an accepted head are two ledgers: one of them was rewritten. */
function checkContains(tree: MerkleTree, acceptedRoot: Buffer, event: StoredEvent): void {
  if (tree.root().equals(acceptedRoot)) return;
  throw bad(
    event,
    `the first ${tree.size} entries are not those of the head that was accepted before: the ledger diverged`,
  );
}

function checkRoot({ tree, seals }: WalkedEvents, { size, root }: Checkpoint): void {
  if (!tree.root().equals(root)) {
    const message = `the root of its ${size} entries is ${tree.root().toString("base64")}, not the signed one`;
    throw new VerifyError("tampered", { file: "timing/entries" }, message);
  }
  const last = seals.at(-1);
  if (last && last.seq !== size - 1) {
    const place = { file: "timing/entries", seq: size - 1 };
    throw new VerifyError("tampered", place, "the generation does not end with its seal");
  }
}

/** An entry and its stored leaf hash disagree. The signed root tells which of the two was changed. */
async function blame(options: GenerationToVerify, event: StoredEvent, checkpoint: Checkpoint): Promise<never> {
  const tree = await treeOfStoredLeaves(options, checkpoint.size);
  if (tree.size === checkpoint.size && !tree.root().equals(checkpoint.root)) {
    const place = { file: "timing/tree/0.hashes", offset: event.seq * HASH_BYTES, seq: event.seq };
    throw new VerifyError("tampered", place, "the stored hash is not that of the entry, nor what was signed");
  }
  const verdict = tree.size < checkpoint.size ? "incomplete" : "tampered";
  if (verdict === "incomplete") {
    const place = { file: "timing/tree/0.hashes", offset: tree.size * HASH_BYTES };
    throw new VerifyError(verdict, place, `it holds ${tree.size} hashes; the checkpoint covers ${checkpoint.size}`);
  }
  throw bad(event, "the entry is not the one that was signed");
}

const LEAVES_AT_ONCE = 32_768;

/** The tree over the leaf hashes as stored, up to `size` or to where they end. */
async function treeOfStoredLeaves({ tree: files }: GenerationToVerify, size: number): Promise<MerkleTree> {
  const tree = new MerkleTree();
  while (tree.size < size) {
    const stored = await readTreeHashes(files, 0, tree.size, Math.min(LEAVES_AT_ONCE, size - tree.size));
    if (stored.length < HASH_BYTES) break;
    for (let at = 0; at + HASH_BYTES <= stored.length; at += HASH_BYTES)
      tree.append(stored.subarray(at, at + HASH_BYTES));
  }
  return tree;
}

function bad(event: StoredEvent, message: string, elementId?: string, cause?: unknown): VerifyError {
  const place = { file: `timing/entries/${event.entry.file}`, offset: event.entry.offset, seq: event.seq };
  return new VerifyError("tampered", elementId === undefined ? place : { ...place, elementId }, message, { cause });
}
