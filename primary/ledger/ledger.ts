// The ledger's append: group commit. Events that wait are taken together, become lines and hashes, are written, synced
// in one round, and only then acked. One round at a time; a seal takes its turn between rounds.
//
// Order of one round, and what a crash leaves behind:
//   1. lines and hashes in memory                          nothing
//   2. payloads, entries and tree appended                 torn or unacked lines: `recover` cuts or keeps them
//   3. fdatasync of payloads and entries, side by side     whole lines that no one was told of: kept
//   4. heads committed to SQLite                           heads behind (caught up) or ahead (rebuilt)
//   5. ack
import PQueue from "p-queue";
import type { MerkleTree } from "../../shared/format/tree.js";
import type { ElementHeads } from "../../shared/store/element-heads.js";
import type { Ack, AdmittedEvent, AppendedEvent, EventSink, HeldLedger } from "../event.js";
import { type Batch, buildBatch } from "./build-batch.js";
import { LedgerError } from "./ledger-error.js";
import type { SegmentWriter } from "./segment-writer.js";
import type { TreeFiles } from "./tree-files.js";

export interface LedgerLimits {
  /** Events in one batch at the most. */
  maxBatchEvents: number;
  /** Events waiting at the most; past it `room()` makes callers wait. */
  maxQueuedEvents: number;
}

/** The ledger's files and state as `openLedger` recovered them. */
export interface LedgerParts {
  entries: SegmentWriter;
  payloads: SegmentWriter;
  treeFiles: TreeFiles;
  tree: MerkleTree;
  heads: ElementHeads;
}

interface Waiting {
  event: AdmittedEvent;
  resolve(ack: Ack): void;
  reject(error: LedgerError): void;
}

const MAX_BATCH_BYTES = 16 * 1024 * 1024;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** A round of more is worth its cost as it is. */
const MAX_GATHERED = 512;
const MAX_GATHER_MS = 5;
const ROUNDS_WITHOUT = 16;

export class Ledger implements EventSink {
  readonly #parts: LedgerParts;
  readonly #limits: LedgerLimits;
  readonly #onAppended: (events: AppendedEvent[]) => void;
  readonly #onFailure: (failure: LedgerError) => void;
  /** One turn at a time: batches, and seals ahead of them. */
  readonly #turns = new PQueue({ concurrency: 1 });
  #turnBeganMs: number | undefined;
  #tree: MerkleTree;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #batchPlanned = false;
  #failure: LedgerError | undefined;
  #roomWaiters: (() => void)[] = [];
  /** Events of the last round, how long it took, and how many waited at its end. */
  #lastRound = { events: 0, ms: 0, left: 0 };
  /** Rounds that begin at once, because those that were acked did not come back. */
  #gatherNot = 0;
  #gathering: { wanted: number; done: () => void } | undefined;

  /**
   * `onAppended` sees each batch after its fsync and before its acks, and what a hold appended; it must not throw or block. `onFailure` is told
   * once why the ledger takes no more: only opening it anew helps.
   */
  constructor(
    parts: LedgerParts,
    limits: LedgerLimits,
    onAppended: (events: AppendedEvent[]) => void,
    onFailure: (failure: LedgerError) => void,
  ) {
    this.#parts = parts;
    this.#tree = parts.tree;
    this.#limits = limits;
    this.#onAppended = onAppended;
    this.#onFailure = onFailure;
  }

  /** Entries in the ledger. Those of a batch count once it is durable. */
  get size(): number {
    return this.#tree.size;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  /** When the batch or seal of now took its turn, by `performance.now()`; undefined while none has it. */
  get turnBeganMs(): number | undefined {
    return this.#turnBeganMs;
  }

  room(): Promise<void> | undefined {
    if (!this.#full()) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  append(event: AdmittedEvent): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ event, resolve, reject });
      this.#waitingBytes += event.stateJson.length;
      this.#planBatch();
      if (this.#gathering && this.#waiting.length >= this.#gathering.wanted) this.#gathering.done();
    });
  }

  /** Runs `act` while no batch runs, ahead of the batches that wait. */
  async held<T>(act: (ledger: HeldLedger) => Promise<T>): Promise<T> {
    return this.#takeTurn(async () => {
      if (this.#failure) throw this.#failure;
      const { size } = this.#tree;
      try {
        return await act(this.#heldView());
      } catch (cause) {
        // An entry that was appended but whose purpose failed must not be followed by another: `openLedger` cuts it.
        if (this.#tree.size > size) this.#fail(halfSealed(cause));
        throw cause;
      }
    }, 1);
  }

  #takeTurn<T>(act: () => Promise<T>, priority = 0): Promise<T> {
    const timed = async () => {
      this.#turnBeganMs = performance.now();
      try {
        return await act();
      } finally {
        this.#turnBeganMs = undefined;
      }
    };
    return this.#turns.add(timed, { priority });
  }

  #heldView(): HeldLedger {
    const ledger = this;
    return {
      get size() {
        return ledger.size;
      },
      append: (event) => ledger.#appendHeld(event),
      root: () => ledger.#tree.root(),
    };
  }

  /** Lets what waits be written, then closes the files. Later appends are refused. */
  async close(): Promise<void> {
    await this.#turns.onIdle();
    this.#failure ??= new LedgerError("closed", "the ledger is closed", {
      hint: "send the event again after the restart",
    });
    await this.#parts.entries.close();
    await this.#parts.payloads.close();
    await this.#parts.treeFiles.close();
    this.#parts.heads.close();
  }

  #full(): boolean {
    return this.#waiting.length >= this.#limits.maxQueuedEvents || this.#waitingBytes >= MAX_QUEUED_BYTES;
  }

  #planBatch(): void {
    if (this.#batchPlanned) return;
    this.#batchPlanned = true;
    void this.#takeTurn(() => this.#runBatch());
  }

  async #runBatch(): Promise<void> {
    await this.#gather();
    this.#batchPlanned = false;
    const taken = this.#takeWaiting();
    if (this.#waiting.length > 0) this.#planBatch();
    const began = performance.now();
    try {
      const batch = await this.#write(
        taken.map(({ event }) => event),
        { durable: true },
      );
      this.#lastRound = { events: taken.length, ms: performance.now() - began, left: this.#waiting.length };
      if (batch.appended.length > 0) this.#onAppended(batch.appended);
      taken.forEach((waiting, i) => {
        const result = batch.results[i] as Batch["results"][number];
        if ("error" in result) waiting.reject(result.error);
        else waiting.resolve(result);
      });
    } catch (cause) {
      const error = this.#failure ?? writeFailed(cause);
      for (const waiting of taken) waiting.reject(error);
    }
  }

  /**
   * Callers that wait for their ack before they send again fall into two halves that take turns, each paying a whole round.
   * So when the last round left some waiting, those that it acked get a moment to come back: half a round at the most. Where
   * they do not (a stream, callers that have nothing to do with each other), the next rounds begin at once.
   */
  async #gather(): Promise<void> {
    const { events, ms, left } = this.#lastRound;
    this.#lastRound = { events: 0, ms: 0, left: 0 };
    const wanted = left + events;
    if (left === 0 || wanted > MAX_GATHERED || this.#waiting.length >= wanted) return;
    if (this.#gatherNot > 0) {
      this.#gatherNot -= 1;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(MAX_GATHER_MS, ms / 2));
      this.#gathering = { wanted, done: () => resolve(clearTimeout(timer)) };
    });
    this.#gathering = undefined;
    if (this.#waiting.length < left + events / 2) this.#gatherNot = ROUNDS_WITHOUT;
  }

  #takeWaiting(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < this.#limits.maxBatchEvents && bytes < MAX_BATCH_BYTES) {
      bytes += (this.#waiting[count] as Waiting).event.stateJson.length;
      count += 1;
    }
    const taken = this.#waiting.splice(0, count);
    this.#waitingBytes -= bytes;
    if (!this.#full()) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
    return taken;
  }

  async #appendHeld(event: AdmittedEvent): Promise<Ack> {
    const { results, appended } = await this.#write([event], { durable: false });
    const result = results[0] as Batch["results"][number];
    if ("error" in result) throw result.error;
    this.#onAppended(appended);
    return result;
  }

  /**
   * Steps 1 to 4 of a round. Whatever fails in it, be it a lookup before anything is written, stops the ledger: heads and
   * tree may hold half a batch, a segment may be half begun, and a failed fsync says nothing of what reached the disk. There
   * is no way to go on in this process that could not ack an event twice or lose one; `openLedger` sorts it out.
   */
  async #write(events: AdmittedEvent[], { durable }: { durable: boolean }): Promise<Batch> {
    if (this.#failure) throw this.#failure;
    try {
      await this.#rollIfFull();
      const tree = this.#tree.clone();
      const { treeFiles, heads } = this.#parts;
      const batch = buildBatch(events, tree, heads, (level, hash) => treeFiles.add(level, hash));
      if (batch.appended.length > 0) await this.#store(batch, tree, durable);
      return batch;
    } catch (cause) {
      this.#parts.heads.rollback();
      throw this.#fail(writeFailed(cause));
    }
  }

  async #rollIfFull(): Promise<void> {
    await this.#parts.entries.rollIfFull(this.#tree.size);
    await this.#parts.payloads.rollIfFull(this.#tree.size);
  }

  /** Steps 2 to 4. What was written is cut off again if they fail, as far as the disk lets it. */
  async #store(batch: Batch, tree: MerkleTree, durable: boolean): Promise<void> {
    const { entries, payloads, treeFiles, heads } = this.#parts;
    const before = { size: this.#tree.size, entries: entries.lengthBytes, payloads: payloads.lengthBytes };
    try {
      await allDone([payloads.append(batch.payloads), entries.append(batch.entries), treeFiles.flush(before.size)]);
      const synced = durable ? allDone([payloads.sync(), entries.sync()]) : Promise.resolve();
      synced.catch(() => undefined);
      // While the disk syncs: if it then fails, `openLedger` finds the heads ahead and rebuilds them.
      heads.commit(tree.size, batch.lastHash);
      await synced;
    } catch (cause) {
      // First, so that nothing is queued behind a disk that may take its time to answer.
      this.#fail(writeFailed(cause));
      await Promise.allSettled([
        payloads.cutTo(before.payloads),
        entries.cutTo(before.entries),
        treeFiles.cutTo(before.size),
      ]);
      throw cause;
    }
    this.#tree = tree;
  }

  /** Takes no more from now on. The first failure stands, and is returned. */
  #fail(failure: LedgerError): LedgerError {
    if (this.#failure) return this.#failure;
    this.#failure = failure;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(failure);
    this.#waitingBytes = 0;
    for (const wake of this.#roomWaiters.splice(0)) wake();
    this.#onFailure(failure);
    return failure;
  }
}

/** As `Promise.all`, but nothing is still being written when it rejects: what is cut off then stays off. */
async function allDone(work: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}

function halfSealed(cause: unknown): LedgerError {
  return new LedgerError("write-failed", `a seal failed half-way: ${(cause as Error).message}`, {
    cause,
    hint: "start again: the start undoes the half seal",
  });
}

function writeFailed(cause: unknown): LedgerError {
  const noSpace = (cause as NodeJS.ErrnoException)?.code === "ENOSPC";
  return new LedgerError("write-failed", `the ledger could not be written: ${(cause as Error).message}`, {
    cause,
    hint: noSpace ? "free space on the store's volume and start again" : "see the kernel's log, then start again",
  });
}
