// The walk over entries and payloads, line by line as stored: leaf hashes into the tree, each entry against its chain,
// each payload against its entry, each seal set aside for the vectors. At the end the root must be the signed one. Many
// events are walked in threads, range by range, and joined here; from the first range that does not fit, or without
// threads, the walk goes on here, so that the bad place that is named is the first one.
import { availableParallelism } from "node:os";
import type { Checkpoint } from "../format/checkpoint.js";
import type { Entry } from "../format/entry.js";
import { HASH_BYTES } from "../format/hash.js";
import { sealElementId } from "../format/seal.js";
import { MerkleTree, type OnSubtree, TILE_LEAVES } from "../format/tree.js";
import type { ElementHead } from "../store/element-heads.js";
import type { EventPlace, EventsEnd, StoredEvent } from "../store/read-events.js";
import { blameLeaf } from "./blame-leaf.js";
import { VerifyError } from "./verify-error.js";
import type { GenerationToVerify } from "./verify-generation.js";
import { walkInThreads } from "./walk-in-threads.js";
import type { WalkedRange } from "./walk-protocol.js";
import { badEntry, type FoundSeal, placeOf, type RangeSteps, type RangeToWalk, walkRange } from "./walk-range.js";

export interface WalkedEvents {
  tree: MerkleTree;
  /** Hashes of the subtrees completed on the way, by level from 1 on: leaves are compared as they come, and not kept. */
  levels: Buffer[][];
  seals: FoundSeal[];
  lastHash: string;
  last: EventPlace | undefined;
}

/** How a walk is shared out among threads. */
export interface WalkThreads {
  /** At most so many; none for 1. */
  threads: number;
  /** Events of a range, a multiple of 256. */
  rangeEvents: number;
  /** No more threads than have so many new events each: a thread takes as long to come to speed as it saves on fewer. */
  eventsPerThread: number;
}

const DEFAULT_THREADS: WalkThreads = {
  threads: Math.min(8, availableParallelism()),
  rangeEvents: 4096,
  eventsPerThread: 50_000,
};

/** @throws VerifyError `tampered` or `incomplete` at the first bad place */
export async function walkEvents(options: GenerationToVerify, checkpoint: Checkpoint): Promise<WalkedEvents> {
  const { tree, storeUuid, element, from, signal, onProgress } = options;
  const { rangeEvents, eventsPerThread, threads: most } = options.threads ?? DEFAULT_THREADS;
  const threads = Math.min(most, Math.floor((checkpoint.size - from.size) / eventsPerThread));
  const walk = new LedgerWalk(options, checkpoint);
  const rest = (): RangeToWalk => {
    return { tree, storeUuid, element, from: walk.tree.size, to: checkpoint.size, known: walk.last };
  };
  if (threads > 1) {
    for await (const range of walkInThreads(rest(), { threads, rangeEvents })) {
      signal?.throwIfAborted();
      if (!walk.join(range)) break;
      onProgress?.(walk.tree.size, checkpoint.size);
    }
  }
  const behind = await walkRange(rest(), walk);
  if ("event" in behind) throw badEntry(behind.event, "the checkpoint does not cover this entry");
  checkEnd(behind.end, checkpoint.size);
  checkRoot(walk, checkpoint);
  return walk.result();
}

/** The ledger's state as the walk goes on. */
class LedgerWalk implements RangeSteps {
  tree: MerkleTree;
  readonly levels: Buffer[][] = [];
  readonly seals: FoundSeal[] = [];
  last: EventPlace | undefined;
  #lastLeaf: Buffer | undefined;
  readonly #options: GenerationToVerify;
  readonly #checkpoint: Checkpoint;

  constructor(options: GenerationToVerify, checkpoint: Checkpoint) {
    this.tree = options.from.tree.clone();
    this.last = options.from.last;
    this.#options = options;
    this.#checkpoint = checkpoint;
  }

  result(): WalkedEvents {
    const { levels, seals, last } = this;
    const lastHash = this.#lastLeaf?.toString("hex") ?? "";
    // The tree outlives the walk; a copy does not keep the leaves that were read beside its own.
    const tree = MerkleTree.fromBytes(this.tree.size, this.tree.toBytes());
    return { tree, levels, seals, lastHash, last };
  }

  headBefore({ element_id }: Entry): ElementHead {
    return this.#options.heads.head(element_id);
  }

  setHead(elementId: string, head: ElementHead): void {
    this.#options.heads.setHead(elementId, head);
  }

  onLeaf(leaf: Buffer, event: StoredEvent): void {
    this.tree.append(leaf, (level, hash) => this.#keepHash(level, hash));
    this.#lastLeaf = leaf;
    if (this.#containsAccepted(this.tree)) return;
    const message = `the first ${this.tree.size} entries are not those of the head that was accepted before`;
    throw badEntry(event, `${message}: the ledger diverged`);
  }

  /** Seals count up by one: `n` has no gaps. */
  onSeal(found: FoundSeal, event: StoredEvent): void {
    const previous = this.#sealed;
    const { generation } = found.seal;
    if (generation !== previous + 1) {
      const element = sealElementId(this.#options.storeUuid);
      throw badEntry(event, `it seals generation ${generation} after ${previous}`, element);
    }
    this.seals.push(found);
  }

  onOtherLeaf(event: StoredEvent): Promise<never> {
    return blameLeaf(this.#options.tree, event, this.#checkpoint);
  }

  onBatch(last: StoredEvent): void {
    this.last = placeOf(last);
    this.#options.onProgress?.(this.tree.size, this.#checkpoint.size);
    this.#options.signal?.throwIfAborted();
  }

  /** Takes over a range that is good by itself, if it fits here; if not, nothing has changed. */
  join(range: WalkedRange): boolean {
    if (!this.#chainsFit(range) || !this.#sealsFit(range)) return false;
    const completed: [level: number, hash: Buffer][] = [];
    const tree = this.#grown(range, (level, hash) => completed.push([level, hash]));
    if (!tree) return false;
    this.tree = tree;
    for (const [level, hash] of completed) this.#keepHash(level, hash);
    for (const [i, elementId] of range.elements.entries()) {
      this.setHead(elementId, { height: range.heights[i] as number, hash: range.hashes[i] as string });
    }
    this.seals.push(...range.seals);
    this.#lastLeaf = hashAt(range.leaves, range.leaves.length / HASH_BYTES - 1);
    this.last = range.last;
    return true;
  }

  #chainsFit({ elements, heightsBefore, hashesBefore }: WalkedRange): boolean {
    return elements.every((elementId, i) => {
      const head = this.#options.heads.head(elementId);
      return head.height === heightsBefore[i] && head.hash === hashesBefore[i];
    });
  }

  #sealsFit({ seals }: WalkedRange): boolean {
    return seals.every(({ seal }, i) => seal.generation === this.#sealed + i + 1);
  }

  /** The tree with the range's leaves; undefined if it does not contain the accepted head. */
  #grown({ from, leaves, tiles }: WalkedRange, onSubtree: OnSubtree): MerkleTree | undefined {
    const tree = this.tree.clone();
    const to = from + leaves.length / HASH_BYTES;
    const firstTile = Math.ceil(from / TILE_LEAVES);
    const accepted = this.#options.mustContain?.size ?? 0;
    while (tree.size < to) {
      const behind = tree.size + TILE_LEAVES;
      const isInside = accepted > tree.size && accepted < behind;
      if (tree.size % TILE_LEAVES === 0 && behind <= to && !isInside) {
        tree.appendTile(hashAt(tiles, tree.size / TILE_LEAVES - firstTile), onSubtree);
      } else tree.append(hashAt(leaves, tree.size - from), onSubtree);
      if (!this.#containsAccepted(tree)) return undefined;
    }
    return tree;
  }

  /** Two histories that part before an accepted head are two ledgers: one of them was rewritten. */
  #containsAccepted(tree: MerkleTree): boolean {
    const accepted = this.#options.mustContain;
    return tree.size !== accepted?.size || tree.root().equals(accepted.root);
  }

  /** Number of the last seal. */
  get #sealed(): number {
    return this.seals.at(-1)?.seal.generation ?? this.#options.from.generation;
  }

  #keepHash(level: number, hash: Buffer): void {
    if (level === 0) return;
    // Small Buffers share blocks of 8 KiB, each of which would stay for the one hash in it.
    const kept = Buffer.alloc(HASH_BYTES);
    hash.copy(kept);
    const row = this.levels[level];
    if (row) row.push(kept);
    else this.levels[level] = [kept];
  }
}

function hashAt(hashes: Uint8Array<ArrayBuffer>, index: number): Buffer {
  return Buffer.from(hashes.buffer, hashes.byteOffset + index * HASH_BYTES, HASH_BYTES);
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

function checkRoot({ tree, seals }: LedgerWalk, { size, root }: Checkpoint): void {
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
