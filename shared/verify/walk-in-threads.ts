// Ranges of events, walked in threads and handed on in ledger order. It ends before the first range that is not good, at
// the first line that is not whole, or where threads cannot be had: whoever asked walks the rest, and judges it.
import { Worker } from "node:worker_threads";
import { type EventPlace, scanEventPlaces } from "../store/read-events.js";
import type { RangeReply, RangeRequest, ThreadSetup, WalkedRange } from "./walk-protocol.js";
import type { RangeToWalk } from "./walk-range.js";

/** Ranges that a thread holds: one it works on, and one so that it need not wait for the next. */
const RANGES_PER_THREAD = 2;

/** All threads have ended when it has. */
export async function* walkInThreads(
  range: RangeToWalk,
  { threads: most, rangeEvents }: { threads: number; rangeEvents: number },
): AsyncGenerator<WalkedRange> {
  const { tree, storeUuid, element } = range;
  const threads = startThreads({ dir: tree.dir, storeUuid, element }, most);
  const places = scanEventPlaces(tree, { from: range.from, to: range.to, every: rangeEvents }, range.known);
  const results: Promise<WalkedRange | undefined>[] = [];
  try {
    let begin = await nextPlace(places);
    for (;;) {
      while (begin && results.length < threads.length * RANGES_PER_THREAD) {
        const behind = await nextPlace(places);
        if (behind) results.push(leastBusy(threads).walk(begin, behind.entry.seq));
        begin = behind;
      }
      const walked = await results.shift();
      if (!walked) return;
      yield walked;
    }
  } finally {
    await Promise.all([places.return(undefined), ...threads.map((thread) => thread.stop())]);
  }
}

/** What cannot be read ends the places as a fault does: the walk of the rest meets it too, and in its turn. */
async function nextPlace(places: AsyncGenerator<EventPlace>): Promise<EventPlace | undefined> {
  const next = await places.next().catch(() => undefined);
  return next?.value ?? undefined;
}

/** As many as can be had: a limit on tasks is no reason not to verify. */
function startThreads(setup: ThreadSetup, most: number): WalkThread[] {
  const threads: WalkThread[] = [];
  try {
    while (threads.length < most) threads.push(new WalkThread(setup));
  } catch {
    // The threads there are do, and without any the caller walks all of it.
  }
  return threads;
}

function leastBusy(threads: readonly WalkThread[]): WalkThread {
  return threads.reduce((least, thread) => (thread.busy < least.busy ? thread : least));
}

class WalkThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (walked: WalkedRange | undefined) => void>();
  #nextId = 0;
  #ended = false;

  constructor(setup: ThreadSetup) {
    this.#worker = new Worker(new URL("./walk-thread.js", import.meta.url), { workerData: setup });
    this.#worker.on("message", ({ id, walked }: RangeReply) => {
      this.#waiting.get(id)?.(walked);
      this.#waiting.delete(id);
    });
    // A thread that failed (memory ran out) has no result for what it held; `exit` follows.
    this.#worker.on("error", () => undefined);
    this.#worker.on("messageerror", () => void this.stop());
    this.#worker.on("exit", () => this.#end());
  }

  get busy(): number {
    return this.#waiting.size;
  }

  /** Undefined if the range is not good, or the thread ended. */
  walk(known: EventPlace, to: number): Promise<WalkedRange | undefined> {
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const request: RangeRequest = { id: this.#nextId, from: known.entry.seq, to, known };
      this.#nextId += 1;
      this.#waiting.set(request.id, resolve);
      this.#worker.postMessage(request);
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #end(): void {
    this.#ended = true;
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }
}
