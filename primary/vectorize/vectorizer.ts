// Vectorize: appended events get their rows in `live/vector`, made by worker processes, most urgent first. It never holds
// up the ledger, and a seal waits for it through `drained`: no generation may hold an event without its vector.
// Two sets say where everything is: an event is claimed once it is in memory or further, and done once its row is
// written. What is in the ledger and not claimed (too much for memory, or left by a crash) the workers read themselves.
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { heuristicSpace } from "../../shared/embed/heuristic.js";
import type { Priority } from "../../shared/format/entry.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE, type SealedRows } from "../../shared/format/seal.js";
import { isSpaceName, parseSpace, type Space, spaceName } from "../../shared/format/vector-row.js";
import type { Logger } from "../../shared/log.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { AppendedEvent } from "../event.js";
import { EmbedJobs } from "./embed-jobs.js";
import type { EventPlace } from "./embed-protocol.js";
import { PendingEvents, type TakenEvents } from "./pending-events.js";
import { recoverRows } from "./recover-rows.js";
import { RowFiles } from "./row-files.js";
import { SeqSet } from "./seq-set.js";
import { VectorizeError } from "./vectorize-error.js";
import { WorkerDied } from "./worker-process.js";

export type VectorLevel = "none" | "heuristic";

export interface VectorizerOptions {
  /** `live` of the store. */
  tree: TreeLayout;
  level: VectorLevel;
  /** Worker processes. */
  workers: number;
  /** Events kept in memory; the rest is read from the ledger by the workers. */
  maxQueuedEvents: number;
  /** Bytes of their states kept in memory. Default 16 MiB. */
  maxQueuedBytes?: number;
  /**
   * Up to `limit` events from `fromSeq` on, in order, fewer where they are large, at least one: it is asked only for events
   * it has written.
   */
  readAppended: (fromSeq: number, limit: number) => Promise<AppendedEvent[]>;
  log: Logger;
  /** Default SEGMENT_BYTES. */
  segmentBytes?: number;
  /** A worker that is silent for so long is ended. Default 60000. */
  jobTimeoutMs?: number;
}

/** Rows that seals cover: by space, by file, a count. */
export type SealedRowCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** A job is copied to its worker, so it is held twice for a moment. */
const JOB = { events: 256, bytes: 4 * 1024 * 1024 };
/** A range is an eighth of the backlog: short while an urgent event should not wait behind it, long while events pour in. */
const LEAST_RANGE_EVENTS = 256;
const MOST_RANGE_EVENTS = 8192;
const RETRY_MS = 500;

/** Rows, and the events that have theirs now: a seal among them has none. */
interface Embedded {
  seqs: number[];
  rows: Uint8Array;
}

/** Of a range, up to but not including `end`. */
interface EmbeddedPart extends Embedded {
  end: number;
}

export class Vectorizer {
  readonly #options: VectorizerOptions;
  readonly #pending: PendingEvents;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  #jobs: EmbedJobs | undefined;
  #files: RowFiles | undefined;
  /** Files of spaces that get no new rows, with rows that no seal covers. */
  #others: RowFiles[] = [];
  #claimed = new SeqSet(0);
  #done = new SeqSet(0);
  #doneCount = 0;
  /** Events in the ledger, as far as we were told. */
  #end = 0;
  #start = 0;
  /** How far the last range was read. */
  #place: EventPlace | undefined;
  #work = new Set<Promise<void>>();

  constructor(options: VectorizerOptions) {
    this.#options = options;
    const { maxQueuedEvents, maxQueuedBytes = MAX_QUEUED_BYTES } = options;
    this.#pending = new PendingEvents({ events: maxQueuedEvents, bytes: maxQueuedBytes });
  }

  /**
   * Every event below `fromSeq` is in a sealed generation and has its rows. Those from there up to `ledgerSize` are looked
   * for in the `.vec` files; the missing ones are read from the ledger and embedded from now on.
   *
   * @throws VectorizeError `space-differs`, `rows-missing`
   */
  async start(fromSeq: number, ledgerSize: number, sealedRows: SealedRowCounts = new Map()): Promise<void> {
    this.#start = fromSeq;
    this.#end = ledgerSize;
    this.#claimed = new SeqSet(fromSeq);
    this.#done = new SeqSet(fromSeq);
    const active = this.#options.level === "heuristic" ? heuristicSpace : undefined;
    for (const space of await this.#spacesOnDisk(active)) {
      const found = await this.#recover(space, sealedRows);
      if (active && spaceName(space) === spaceName(active)) {
        this.#files = found.files;
        for (const seq of found.seqs) this.#finish(seq);
      } else this.#others.push(found.files);
    }
    if (!active) return;
    const { workers, log, jobTimeoutMs = 60_000 } = this.#options;
    this.#jobs = new EmbedJobs({ workers, log, jobTimeoutMs });
    this.#pump();
  }

  /** To be called after the fsync of each batch, in order. Never blocks: what does not fit in memory is read back later. */
  appended(events: readonly AppendedEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    this.#end = Math.max(this.#end, last.seq + 1);
    if (!this.#files) return;
    for (const event of events) this.#claim(event);
    this.#pump();
  }

  /** Events without their rows yet. */
  backlog(): number {
    return this.#files ? this.#end - this.#start - this.#doneCount : 0;
  }

  state(): { backlog: number; degraded: number; workerDeaths: number; workerPids: number[] } {
    const jobs = this.#jobs;
    return {
      backlog: this.backlog(),
      degraded: jobs?.degraded ?? 0,
      workerDeaths: jobs?.deaths ?? 0,
      workerPids: jobs?.workerPids ?? [],
    };
  }

  /** Resolves when every event below `uptoSeq` has its row written (not synced). @throws VectorizeError `stopped` */
  async drained(uptoSeq: number, signal?: AbortSignal): Promise<void> {
    while (this.#files && this.#done.firstMissing < uptoSeq) {
      signal?.throwIfAborted();
      if (this.#stop.signal.aborted) {
        throw new VectorizeError("stopped", `the vectorizer was stopped ${this.backlog()} events behind`);
      }
      await this.#progress(signal);
    }
  }

  /** Rows added since the last take, or since the last seal after a start. To be called after `drained`, ledger held. */
  async takeAdded(): Promise<{ space: string; added: SealedRows[] }[]> {
    const taken: { space: string; added: SealedRows[] }[] = [];
    for (const files of [...this.#others, ...(this.#files ? [this.#files] : [])]) {
      const added = await files.take();
      if (added.length > 0) taken.push({ space: files.name, added });
    }
    return taken.sort((a, b) => (a.space < b.space ? -1 : 1));
  }

  /** What has no row yet is found at the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wakeWaiters();
    await this.#jobs?.close();
    await Promise.allSettled([...this.#work]);
    await this.#files?.close();
  }

  async #spacesOnDisk(active: Space | undefined): Promise<Space[]> {
    const { tree } = this.#options;
    const spaces = active ? [active] : [];
    const names = await readdir(tree.vector, { withFileTypes: true });
    for (const entry of names) {
      if (!entry.isDirectory() || !isSpaceName(entry.name) || (active && entry.name === spaceName(active))) continue;
      const text = await readFile(tree.spaceFile(entry.name), "utf8").catch(() => undefined);
      if (text !== undefined) spaces.push(parseSpace(text));
    }
    return spaces;
  }

  async #recover(space: Space, sealedRows: SealedRowCounts): Promise<{ files: RowFiles; seqs: number[] }> {
    const { tree, segmentBytes, log } = this.#options;
    const files = new RowFiles({ tree, space, segmentBytes });
    await files.prepare();
    const { last, runs, seqs, cutBytes } = await recoverRows({
      tree,
      space,
      sealedRows: sealedRows.get(files.name) ?? new Map(),
      fromSeq: this.#start,
      toSeq: this.#end,
    });
    if (cutBytes > 0) log.warn("rows cut off, they will be made again", { space: files.name, bytes: cutBytes });
    files.resume(last, runs);
    return { files, seqs };
  }

  #claim(event: AppendedEvent): void {
    const { seq } = event;
    if (this.#claimed.has(seq)) return;
    // A seal speaks of vectors and has none.
    if (isSeal(event)) this.#finish(seq);
    else if (this.#pending.offer(event)) this.#claimed.add(seq);
  }

  #finish(seq: number): void {
    if (this.#done.has(seq)) return;
    this.#claimed.add(seq);
    this.#done.add(seq);
    this.#doneCount += 1;
  }

  /** Hands out jobs: critical ones at once, others as long as few wait, so that a later urgent one is not behind them. */
  #pump(): void {
    const jobs = this.#jobs;
    if (!jobs || this.#stop.signal.aborted) return;
    for (let next = this.#pending.mostUrgent(); next; next = this.#pending.mostUrgent()) {
      if (next !== "critical" && jobs.waiting >= this.#options.workers) break;
      const job = this.#runJob(jobs, this.#pending.take(next, JOB), next);
      this.#work.add(job);
      void job.finally(() => this.#work.delete(job));
    }
    while (this.#claimed.firstMissing < this.#end && jobs.waiting < this.#options.workers) this.#startRange(jobs);
  }

  /** Hands out what is in the ledger only, oldest first. */
  #startRange(jobs: EmbedJobs): void {
    const from = this.#claimed.firstMissing;
    const size = Math.min(MOST_RANGE_EVENTS, Math.max(LEAST_RANGE_EVENTS, Math.floor((this.#end - from) / 8)));
    const to = Math.min(this.#end, from + size);
    const skip: number[] = [];
    for (let seq = from; seq < to; seq += 1) {
      if (this.#claimed.has(seq)) skip.push(seq);
      else this.#claimed.add(seq);
    }
    const work = this.#runRange(jobs, from, to, skip);
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /** Embeds and writes one job, for as long as it takes. Never rejects. */
  async #runJob(jobs: EmbedJobs, taken: TakenEvents, priority: Priority): Promise<void> {
    const seqs = taken.events.map(({ seq }) => seq);
    await this.#untilWritten(async () => ({ seqs, rows: await jobs.embed(taken.events, priority) }));
    this.#pending.release(taken);
  }

  /** As `#runJob`, in parts. A range that ends its workers is read here from there on, to find the event that does it. */
  async #runRange(jobs: EmbedJobs, from: number, to: number, skip: number[]): Promise<void> {
    let readHere = false;
    for (let at = from; at < to; ) {
      const part = await this.#untilWritten(async () => {
        try {
          if (!readHere) return await this.#embedRange(jobs, at, to, skip);
        } catch (error) {
          if (!(error instanceof WorkerDied)) throw error;
          readHere = true;
        }
        return this.#embedReadBack(jobs, at, to, skip);
      });
      if (!part) return;
      at = part.end;
    }
  }

  /** A range, or as much of it as the worker takes in one go. */
  async #embedRange(jobs: EmbedJobs, from: number, to: number, skip: number[]): Promise<EmbeddedPart> {
    const { entries, payloads } = this.#options.tree;
    const { rows, last } = await jobs.embedRange({ entries, payloads, from, to, skip }, () => this.#placeBefore(from));
    this.#place = last;
    const end = last ? last.entry.seq + 1 : to;
    return { seqs: seqsBetween(from, end, skip), rows, end };
  }

  async #embedReadBack(jobs: EmbedJobs, from: number, to: number, skip: number[]): Promise<EmbeddedPart> {
    const read = await this.#options.readAppended(from, Math.min(to - from, JOB.events));
    const last = read.at(-1);
    if (!last) throw new Error(`event ${from} is in the ledger and was not read`);
    const end = last.seq + 1;
    const seqs = seqsBetween(from, end, skip);
    const wanted = new Set(seqs);
    const events = read.filter((event) => wanted.has(event.seq) && !isSeal(event));
    return { seqs, rows: events.length > 0 ? await jobs.embed(events, "low") : new Uint8Array(), end };
  }

  /** What was embedded and written; `undefined` once the vectorizer was stopped. */
  async #untilWritten<T extends Embedded>(embed: () => Promise<T>): Promise<T | undefined> {
    while (!this.#stop.signal.aborted) {
      try {
        const embedded = await embed();
        const { seqs, rows } = embedded;
        if (rows.length > 0) await (this.#files as RowFiles).append(rows, seqs[0] as number);
        for (const seq of seqs) this.#finish(seq);
        this.#wakeWaiters();
        this.#pump();
        return embedded;
      } catch (error) {
        await this.#retryAfter("rows not written, the job is done again", error as Error);
      }
    }
    return undefined;
  }

  #placeBefore(seq: number): EventPlace | undefined {
    return this.#place && this.#place.entry.seq <= seq ? this.#place : undefined;
  }

  async #retryAfter(message: string, error: Error): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#options.log.error(message, { error });
    await sleep(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  #progress(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  #wakeWaiters(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}

function seqsBetween(from: number, end: number, skip: readonly number[]): number[] {
  const skipped = new Set(skip);
  return Array.from({ length: end - from }, (_, i) => from + i).filter((seq) => !skipped.has(seq));
}

function isSeal({ entry }: AppendedEvent): boolean {
  return entry.element_type === SEAL_ELEMENT_TYPE && entry.action === SEAL_ACTION;
}
