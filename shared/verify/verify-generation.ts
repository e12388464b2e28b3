// Verifies a generation: every new entry hashed as stored, chain links, payloads, tree, root, seals, vector rows. The
// same walk serves `verify` (from nothing) and a replica's arrival (from the last accepted head). A generation that
// passes is what the signer sealed, byte for byte, from `from.size` on; nothing that fails may be promoted.
import { type Checkpoint, parseCheckpoint } from "../format/checkpoint.js";
import type { SeqRanges } from "../format/seq-ranges.js";
import { claimedSigners, type NoteVerifier, openNote, shortKey } from "../format/signed-note.js";
import { MerkleTree } from "../format/tree.js";
import type { ElementHead } from "../store/element-heads.js";
import type { TreeLayout } from "../store/layout.js";
import type { EventPlace } from "../store/read-events.js";
import { allInOrder } from "./all-in-order.js";
import { checkLayout, GenerationFiles } from "./check-layout.js";
import { checkTreeFiles } from "./check-tree-files.js";
import { checkVectors, type RowCounts } from "./check-vectors.js";
import { readWhole } from "./read-whole.js";
import { VerifyError } from "./verify-error.js";
import { type WalkThreads, walkEvents } from "./walk-events.js";

/** What is known to be good already. `rows` counts sealed rows by `<space>/<file>`. */
export interface VerifiedState {
  size: number;
  tree: MerkleTree;
  /** Number of the last seal, 0 before the first. */
  generation: number;
  rows: RowCounts;
  /** Events that the last seal calls late: their rows come with a later one. */
  late: SeqRanges;
  /** What stands in its generation. */
  files: GenerationFiles;
  /** Where the last event's lines stand, if that is known: the walk begins there and not at the segment's start. */
  last?: EventPlace | undefined;
}

export const NOTHING_VERIFIED: VerifiedState = {
  size: 0,
  tree: new MerkleTree(),
  generation: 0,
  rows: new Map(),
  late: [],
  files: new GenerationFiles(),
};

/** Where chain links are looked up and kept as the walk goes on. */
export interface HeadTable {
  head(elementId: string): ElementHead;
  setHead(elementId: string, head: ElementHead): void;
}

export interface GenerationToVerify {
  tree: TreeLayout;
  /** What `checkLayout` found in it, if it has been asked. */
  files?: GenerationFiles | undefined;
  storeUuid: string;
  /** Keys whose signature makes a checkpoint trusted. */
  keys: readonly NoteVerifier[];
  /** The number it must have, where one is expected. */
  generation?: number | undefined;
  from: VerifiedState;
  /** A head accepted before, which this generation must contain: same root at that size. */
  mustContain?: Pick<Checkpoint, "size" | "root"> | undefined;
  heads: HeadTable;
  /** Verifies payloads and chain of one element only; the root is still computed over all entries. */
  element?: string | undefined;
  /** How many events are walked in threads, and in how many; by default as many as there are cores. */
  threads?: WalkThreads | undefined;
  onProgress?: ((seq: number, size: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface VerifiedGeneration extends VerifiedState {
  checkpoint: Checkpoint;
  /** The signed note as stored. */
  note: string;
  /** When the last seal was recorded. */
  sealedAt: string;
  /** Event hash of the last entry. */
  lastHash: string;
}

/** @throws VerifyError with the verdict and the first bad place */
export async function verifyGeneration(options: GenerationToVerify): Promise<VerifiedGeneration> {
  const { tree, from } = options;
  const files = options.files ?? checkLayout(tree);
  const { note, checkpoint } = openCheckpoint(tree, options.keys);
  const acceptedSize = Math.max(from.size, options.mustContain?.size ?? 0);
  if (checkpoint.size < acceptedSize) {
    const message = `the checkpoint covers ${checkpoint.size} entries; ${acceptedSize} were accepted before`;
    throw new VerifyError("stale", { file: "timing/checkpoint" }, message);
  }
  const walked = await walkEvents(options, checkpoint);
  const { seals } = walked;
  const last = seals.at(-1);
  const [, , vectors] = await allInOrder([
    checkTreeFiles(tree, files, walked.levels, from.size, checkpoint.size),
    checkGenerationNumber(options, last?.seal.generation ?? from.generation),
    options.element === undefined ? checkVectors(tree, files, seals, from) : Promise.resolve(from),
  ]);
  return {
    size: checkpoint.size,
    tree: walked.tree,
    generation: last?.seal.generation ?? from.generation,
    rows: vectors.rows,
    late: vectors.late,
    files,
    checkpoint,
    note,
    sealedAt: last?.recorded ?? "",
    lastHash: walked.lastHash,
    last: walked.last,
  };
}

function openCheckpoint(tree: TreeLayout, keys: readonly NoteVerifier[]): { note: string; checkpoint: Checkpoint } {
  const place = { file: "timing/checkpoint" };
  const note = readWhole(tree.checkpoint, place.file, "unsigned", "there is no checkpoint").toString();
  try {
    const opened = openNote(note, keys);
    const checkpoint = parseCheckpoint(opened.text);
    const signed = opened.signedBy.some(({ name }) => name === checkpoint.origin);
    if (signed) return { note, checkpoint };
    const [by, known] = [claimedSigners(note), keys.map(shortKey)].map((names) => names.join(", ") || "none");
    const message = `no trusted key signed the checkpoint of ${checkpoint.origin} (signed by: ${by}; trusted: ${known})`;
    throw new VerifyError("unsigned", place, message);
  } catch (cause) {
    if (cause instanceof VerifyError) throw cause;
    throw new VerifyError("tampered", place, (cause as Error).message, { cause });
  }
}

/** The number stands in the seal entry (in `timing`) and beside the vectors: two snapshots of one moment say the same. */
async function checkGenerationNumber(options: GenerationToVerify, sealed: number): Promise<void> {
  const place = { file: "vector/generation" };
  const missing = "the generation's number is missing";
  const text = readWhole(options.tree.vectorGeneration, place.file, "incomplete", missing).toString();
  if (text !== `${sealed}\n`) {
    throw new VerifyError(
      "tampered",
      place,
      `it says ${JSON.stringify(text.slice(0, 40))}; the last seal is ${sealed}`,
    );
  }
  if (options.generation !== undefined && options.generation !== sealed) {
    throw new VerifyError("tampered", place, `generation ${sealed} stands where ${options.generation} should`);
  }
}
