// The checks of one event after another, as stored: leaf hash, canonical form, place in the ledger, chain link, payload.
// They need nothing but the range's own lines and hashes and, of each element, where its chain stands: so they run in
// the process that verifies and in threads beside it.
import { type Entry, parseEntry } from "../format/entry.js";
import { HASH_BYTES, leafHashHex, sha256Hex } from "../format/hash.js";
import { parsePayload } from "../format/payload.js";
import { parseSeal, SEAL_ACTION, type Seal, sealElementId } from "../format/seal.js";
import type { ElementHead } from "../store/element-heads.js";
import type { TreeLayout } from "../store/layout.js";
import { type EventPlace, type EventsEnd, readEventBatches, type StoredEvent } from "../store/read-events.js";
import type { StoredLine } from "../store/read-lines.js";
import { readTreeHashes } from "./check-tree-files.js";
import { VerifyError } from "./verify-error.js";

export interface FoundSeal {
  seq: number;
  recorded: string;
  seal: Seal;
}

export interface RangeToWalk {
  tree: TreeLayout;
  storeUuid: string;
  /** Payloads and seals of one element only, and of the store itself. */
  element?: string | undefined;
  /** The first event, and the one behind the last. */
  from: number;
  to: number;
  /** Where the lines of one event at or before `from` stand. */
  known?: EventPlace | undefined;
}

/** What becomes of what the walk finds, in ledger order. */
export interface RangeSteps {
  /** Where the chain of `entry`'s element must stand before it. */
  headBefore(entry: Entry): ElementHead;
  setHead(elementId: string, head: ElementHead): void;
  /** `leaf` is the stored hash, found to be that of the entry; the entry itself is not checked yet. */
  onLeaf(leaf: Buffer, event: StoredEvent): void;
  onSeal(seal: FoundSeal, event: StoredEvent): void;
  /** The stored hash is not that of the entry. */
  onOtherLeaf(event: StoredEvent): Promise<never>;
  /** All events up to this one are good. */
  onBatch?(last: StoredEvent): void;
}

/** What stands behind a range: an event, or where the lines end. */
export type BehindRange = { event: StoredEvent } | { end: EventsEnd };

/** Ends before `to` where the lines do. @throws VerifyError at the first bad place, or what a step throws */
export async function walkRange(range: RangeToWalk, steps: RangeSteps): Promise<BehindRange> {
  const sealElement = sealElementId(range.storeUuid);
  const stored = new StoredLeaves(range);
  for await (const batch of readEventBatches(range.tree, range.from, range.known)) {
    if (!Array.isArray(batch)) return { end: batch };
    await stored.load((batch[0] as StoredEvent).seq, batch.length);
    for (const event of batch) {
      if (event.seq === range.to) return { event };
      const leaf = stored.leaf(event.seq);
      const hash = leafHashHex(event.entry.bytes);
      if (leaf.toString("hex") !== hash) await steps.onOtherLeaf(event);
      steps.onLeaf(leaf, event);
      checkEvent(steps, event, hash, sealElement, range.element);
    }
    steps.onBatch?.(batch.at(-1) as StoredEvent);
  }
  throw new Error("the events have no end");
}

function checkEvent(
  steps: RangeSteps,
  event: StoredEvent,
  hash: string,
  sealElement: string,
  element: string | undefined,
): void {
  const entry = checkEntry(steps, event, hash);
  const isOfStore = entry.element_id === sealElement;
  if (element !== undefined && entry.element_id !== element && !isOfStore) return;
  checkPayload(event, entry);
  if (isOfStore && entry.action === SEAL_ACTION) steps.onSeal(readSeal(event, entry), event);
}

/** A copy without the bytes, which are valid until the next batch only. */
export function placeOf({ entry, payload }: StoredEvent): EventPlace {
  const placeIn = ({ seq, file, offset }: StoredLine) => ({ seq, file, offset });
  return { entry: placeIn(entry), payload: placeIn(payload) };
}

/** @returns the error that names an event's entry as the bad place */
export function badEntry(event: StoredEvent, message: string, elementId?: string, cause?: unknown): VerifyError {
  const place = { file: `timing/entries/${event.entry.file}`, offset: event.entry.offset, seq: event.seq };
  return new VerifyError("tampered", elementId === undefined ? place : { ...place, elementId }, message, { cause });
}

function checkEntry(steps: RangeSteps, event: StoredEvent, hash: string): Entry {
  let entry: Entry;
  try {
    entry = parseEntry(event.entry.bytes.toString());
  } catch (cause) {
    throw badEntry(event, (cause as Error).message, undefined, cause);
  }
  if (entry.seq !== event.seq) throw badEntry(event, `it says it is event ${entry.seq}`, entry.element_id);
  const head = steps.headBefore(entry);
  if (entry.height !== head.height + 1) {
    throw badEntry(event, `its height is ${entry.height}; its chain stands at ${head.height}`, entry.element_id);
  }
  if (entry.previous_event_hash !== head.hash) {
    throw badEntry(event, `it links to ${entry.previous_event_hash}; its chain ends in ${head.hash}`, entry.element_id);
  }
  steps.setHead(entry.element_id, { height: entry.height, hash });
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

function readSeal(event: StoredEvent, entry: Entry): FoundSeal {
  try {
    const seal = parseSeal(parsePayload(event.payload.bytes.toString()).state_snapshot);
    return { seq: event.seq, recorded: entry.recorded, seal };
  } catch (cause) {
    throw badEntry(event, (cause as Error).message, entry.element_id, cause);
  }
}

const LEAVES_AT_ONCE = 8192;

/** `tree/0.hashes` as the walk comes to it. */
class StoredLeaves {
  readonly #range: RangeToWalk;
  #first = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(range: RangeToWalk) {
    this.#range = range;
  }

  /** Makes `count` leaves from `seq` on readable, as far as there are so many. */
  async load(seq: number, count: number): Promise<void> {
    const { tree, to } = this.#range;
    if (seq >= this.#first && (seq + count - this.#first) * HASH_BYTES <= this.#bytes.length) return;
    const most = Math.max(count, Math.min(LEAVES_AT_ONCE, to - seq));
    this.#first = seq;
    this.#bytes = await readTreeHashes(tree, 0, seq, most);
  }

  /** Empty, or cut short, where the file ends. */
  leaf(seq: number): Buffer {
    const at = (seq - this.#first) * HASH_BYTES;
    return this.#bytes.subarray(at, at + HASH_BYTES);
  }
}
