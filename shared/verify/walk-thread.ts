// A thread of the walk: ranges of events in, what they hold out. What it cannot find good it does not judge: the
// process that asked walks such a range itself, and names the place. It loads no native library and writes nothing.
import { parentPort, workerData } from "node:worker_threads";
import type { Entry } from "../format/entry.js";
import { HASH_BYTES } from "../format/hash.js";
import { MerkleTree, TILE_LEAVES } from "../format/tree.js";
import type { ElementHead } from "../store/element-heads.js";
import { TreeLayout } from "../store/layout.js";
import type { StoredEvent } from "../store/read-events.js";
import type { RangeReply, RangeRequest, ThreadSetup, WalkedRange } from "./walk-protocol.js";
import { type FoundSeal, placeOf, type RangeSteps, walkRange } from "./walk-range.js";

const { dir, storeUuid, element } = workerData as ThreadSetup;
const common = { tree: new TreeLayout(dir), storeUuid, element };

/** One range at a time: the lines of two would be in memory together. */
let turn = Promise.resolve();

parentPort?.on("message", (request: RangeRequest) => {
  turn = turn.then(() => answer(request)).then(send);
});

function send(reply: RangeReply): void {
  const moved = reply.walked ? [reply.walked.leaves.buffer, reply.walked.tiles.buffer] : [];
  parentPort?.postMessage(reply, moved);
}

async function answer({ id, ...range }: RangeRequest): Promise<RangeReply> {
  const steps = new RangeRecord(range.from, range.to);
  try {
    await walkRange({ ...common, ...range }, steps);
    return { id, walked: steps.walked() };
  } catch {
    return { id, walked: undefined };
  }
}

/** Takes each element's first link on trust, and notes it: whoever joins the ranges knows where the chain stood. */
class RangeRecord implements RangeSteps {
  readonly #from: number;
  readonly #leaves: Uint8Array<ArrayBuffer>;
  readonly #before = new Map<string, ElementHead>();
  readonly #heads = new Map<string, ElementHead>();
  readonly #seals: FoundSeal[] = [];
  #last: StoredEvent | undefined;

  constructor(from: number, to: number) {
    this.#from = from;
    this.#leaves = new Uint8Array((to - from) * HASH_BYTES);
  }

  headBefore(entry: Entry): ElementHead {
    const known = this.#heads.get(entry.element_id);
    if (known) return known;
    const trusted = { height: entry.height - 1, hash: entry.previous_event_hash };
    this.#before.set(entry.element_id, trusted);
    return trusted;
  }

  setHead(elementId: string, head: ElementHead): void {
    this.#heads.set(elementId, head);
  }

  onLeaf(leaf: Buffer, event: StoredEvent): void {
    this.#leaves.set(leaf, (event.seq - this.#from) * HASH_BYTES);
    this.#last = event;
  }

  onSeal(seal: FoundSeal): void {
    this.#seals.push(seal);
  }

  onOtherLeaf(event: StoredEvent): Promise<never> {
    throw new Error(`the stored hash of event ${event.seq} is not that of its entry`);
  }

  /** Undefined if the lines ended before the range. */
  walked(): WalkedRange | undefined {
    const count = this.#leaves.length / HASH_BYTES;
    const from = this.#from;
    if (this.#last?.seq !== from + count - 1) return undefined;
    const before = [...this.#before.values()];
    const heads = [...this.#heads.values()];
    return {
      from,
      leaves: this.#leaves,
      tiles: tilesOf(this.#leaves, from),
      elements: [...this.#before.keys()],
      heightsBefore: before.map(({ height }) => height),
      hashesBefore: before.map(({ hash }) => hash),
      heights: heads.map(({ height }) => height),
      hashes: heads.map(({ hash }) => hash),
      seals: this.#seals,
      last: placeOf(this.#last),
    };
  }
}

/** The roots of the whole tiles among `leaves`, the first of which is that of event `from`. */
function tilesOf(leaves: Uint8Array, from: number): Uint8Array<ArrayBuffer> {
  const first = Math.ceil(from / TILE_LEAVES);
  const behind = Math.floor((from + leaves.length / HASH_BYTES) / TILE_LEAVES);
  const roots = new Uint8Array(Math.max(0, behind - first) * HASH_BYTES);
  const bytes = Buffer.from(leaves.buffer, leaves.byteOffset, leaves.length);
  for (let tile = first; tile < behind; tile += 1) {
    const tree = new MerkleTree();
    const at = (tile * TILE_LEAVES - from) * HASH_BYTES;
    for (let i = 0; i < TILE_LEAVES; i += 1)
      tree.append(bytes.subarray(at + i * HASH_BYTES, at + (i + 1) * HASH_BYTES));
    roots.set(tree.root(), (tile - first) * HASH_BYTES);
  }
  return roots;
}
