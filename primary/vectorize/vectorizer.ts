// Vectorize: appended events get their rows in `live/vector`, made by worker processes, most urgent first. It never holds
// up the ledger, and a seal waits for it through `drained`: no generation may hold an event without its vector, but for
// those that its seal calls late. Two sets say where everything is: an event is claimed once it is in memory or further,
// and done once its row is written, or was never to be. What is in the ledger and not claimed (too much for memory, or
// left by a crash) the workers read themselves.
import { setTimeout as sleep } from "node:timers/promises";
import type { EmbedderSpec } from "../../shared/embed/embedder.js";
import {
  isRowLevel,
  type LevelOfPriority,
  type RowLevel,
  rowLevelsOf,
  type VectorLevel,
} from "../../shared/embed/levels.js";
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import { MOST_LATE_RANGES } from "../../shared/format/seal.js";
import { countSeqs, hasSeq, type SeqRanges, withoutSeqs } from "../../shared/format/seq-ranges.js";
import type { Logger } from "../../shared/log.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import type { AppendedEvent, TakenRows } from "../event.js";
import { EmbedJobs } from "./embed-jobs.js";
import type { RowsOfSpace, SpecOfPriority } from "./embed-protocol.js";
import type { FillGround } from "./fill/fill-ground.js";
import { makeGround } from "./fill/make-ground.js";
import { findRowless, isSealEntry } from "./find-rowless.js";
import { KnownPlaces } from "./known-places.js";
import type { LevelPlan, LevelState } from "./level-plan.js";
import { PendingEvents, type TakenEvents } from "./pending-events.js";
import { PriorityBacklog } from "./priority-backlog.js";
import { RowSpaces, type SealedRowCounts } from "./row-spaces.js";
import { SeqSet } from "./seq-set.js";
import { VectorizeError } from "./vectorize-error.js";
import { WorkerDied } from "./worker-process.js";

export interface VectorizerOptions {
  /** `live` of the store. */
  tree: TreeLayout;
  levels: LevelOfPriority;
  /** How those levels make their rows. */
  plan: LevelPlan;
  /** Worker processes. */
  workers: number;
  /** Further ones, for critical and high events only. */
  urgentWorkers: number;
  /** Events kept in memory; the rest is read from the ledger by the workers. */
  maxQueuedEvents: number;
  /** Bytes of their states kept in memory. Default 16 MiB. */
  maxQueuedBytes?: number;
  /**
   * Up to `limit` events from `fromSeq` on, in order, fewer where they are large, at least one: it is asked only for events
   * it has written.
   */
  readAppended: (fromSeq: number, limit: number) => Promise<AppendedEvent[]>;
  /** What the elements of these events had done before them: likewise. */
  recentActions: (seqs: readonly number[]) => Uint32Array;
  log: Logger;
  /** Default SEGMENT_BYTES. */
  segmentBytes?: number;
  /** A worker that is silent for so long is ended. Default 60000. */
  jobTimeoutMs?: number;
  /** The same while it opens a model. Default 180000. */
  openTimeoutMs?: number;
  /** A worker that takes more memory is replaced between two jobs. Default: any. */
  maxWorkerRssBytes?: number;
}

/** What a start is told of the newest generation. */
export interface SealedVectors {
  /** Entries under its checkpoint. */
  size: number;
  rows: SealedRowCounts;
  /** Events of it that have no row yet. */
  late: SeqRanges;
}

export interface VectorizerState {
  /** Events that wait for their row. */
  backlog: Record<Priority, number>;
  /** Events that a seal went without: whose row is not there yet, and all since the start. */
  late: { waiting: number; since_start: number };
  /** Events embedded without their state, since the start. */
  degraded: number;
  workerDeaths: number;
  /** Workers replaced because of their size, since the start. */
  workersOutgrown: number;
  inForce: LevelState[];
  workerPids: number[];
}

const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** A job is copied to its worker, so it is held twice for a moment. */
const JOB = { events: 256, bytes: 4 * 1024 * 1024 };
/** A range is an eighth of the backlog: short while an urgent event should not wait behind it, long while events pour in. */
const LEAST_RANGE_EVENTS = 256;
const MOST_RANGE_EVENTS = 8192;
const RETRY_MS = 500;
const NOTHING_SEALED: SealedVectors = { size: 0, rows: new Map(), late: [] };

/** Rows, and the events that have theirs now: some have none by decision. */
interface Embedded {
  seqs: number[];
  rows: RowsOfSpace[];
}

/** Of a range, up to but not including `end`. */
interface EmbeddedPart extends Embedded {
  end: number;
}

export class Vectorizer {
  readonly #options: VectorizerOptions;
  readonly #pending: PendingEvents;
  readonly #spaces: RowSpaces;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  /** Rows are written and noted, or taken for a seal: one after another, so that a seal knows exactly what it has. */
  #turn: Promise<unknown> = Promise.resolve();
  #jobs: EmbedJobs | undefined;
  /** The same, or others where no event gets a first row. Processes are forked at the first job only. */
  #groundJobs: EmbedJobs | undefined;
  #claimed = new SeqSet(0);
  #done = new SeqSet(0);
  #backlog = new PriorityBacklog(0);
  /** Events in the ledger, as far as we were told. */
  #end = 0;
  /** Events below it were sealed before the start. */
  #sealedBefore = 0;
  /** What the newest seal calls late, and how many of those wait. */
  #late: SeqRanges = [];
  #lateWaiting = 0;
  #lateSinceStart = 0;
  readonly #places = new KnownPlaces();
  #work = new Set<Promise<void>>();

  constructor(options: VectorizerOptions) {
    this.#options = options;
    const { tree, log, segmentBytes, maxQueuedEvents, maxQueuedBytes = MAX_QUEUED_BYTES } = options;
    this.#pending = new PendingEvents({ events: maxQueuedEvents, bytes: maxQueuedBytes });
    this.#spaces = new RowSpaces({ tree, log, segmentBytes });
  }

  /**
   * Events of the newest generation have their rows, but for the late ones. Those and what came after it up to `ledgerSize`
   * are looked for in the `.vec` files; the missing ones are read from the ledger and embedded from now on.
   *
   * @throws VectorizeError `space-differs`, `rows-missing`
   */
  async start(ledgerSize: number, sealed: SealedVectors = NOTHING_SEALED): Promise<void> {
    const { size, rows, late } = sealed;
    const first = late[0]?.[0] ?? size;
    this.#sealedBefore = size;
    this.#end = ledgerSize;
    this.#claimed = new SeqSet(first);
    this.#done = new SeqSet(first);
    this.#backlog = new PriorityBacklog(first);
    this.#late = late;
    this.#lateWaiting = countSeqs(late);
    for (const [from, to] of withoutSeqs([[first, size - 1]], late)) this.#finishAll(from, to);
    const levels = rowLevelsOf(late.length > 0 ? this.#levelsOfLate() : this.#options.levels);
    const isOpen = (seq: number) => seq < ledgerSize && (seq >= size || hasSeq(late, seq));
    const { plan } = this.#options;
    const spaces = levels.map((level) => plan.specOf(level).space);
    const isSealed = (seq: number) => seq < size && !hasSeq(late, seq);
    for (const seq of await this.#spaces.open({ spaces, sealedRows: rows, isOpen, isSealed })) this.#finish(seq);
    if (levels.length === 0) return;
    await this.#noteRowless(first);
    this.#jobs = this.#makeJobs();
    this.#jobs.start();
    this.#pump();
  }

  /** To be called after the fsync of each batch, in order. Never blocks: what does not fit in memory is read back later. */
  appended(events: readonly AppendedEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    this.#end = Math.max(this.#end, last.seq + 1);
    if (!this.#jobs) return;
    for (const event of events) this.#claim(event);
    this.#pump();
  }

  /** What fills spaces behind the first rows, with the same workers. To be called after the start. */
  ground(specOf: (level: RowLevel) => Promise<EmbedderSpec>): FillGround {
    const { tree, workers } = this.#options;
    this.#groundJobs = this.#jobs ?? this.#makeJobs();
    return makeGround({
      tree,
      jobs: this.#groundJobs,
      spaces: this.#spaces,
      places: this.#places,
      lanes: workers,
      specOf,
    });
  }

  /** Events without their rows yet. */
  backlog(): number {
    return this.#backlog.size;
  }

  state(): VectorizerState {
    const jobs = this.#jobs ?? this.#groundJobs;
    return {
      backlog: { ...this.#backlog.counts },
      late: { waiting: this.#lateWaiting, since_start: this.#lateSinceStart },
      degraded: jobs?.degraded ?? 0,
      workerDeaths: jobs?.deaths ?? 0,
      workersOutgrown: jobs?.outgrown ?? 0,
      inForce: this.#options.plan.state(),
      workerPids: jobs?.workerPids ?? [],
    };
  }

  /** Resolves when every event below `uptoSeq` has its row written (not synced). @throws VectorizeError `stopped` */
  async drained(uptoSeq: number, signal?: AbortSignal): Promise<void> {
    while (this.#jobs && this.#done.firstMissing < uptoSeq) {
      signal?.throwIfAborted();
      if (this.#stop.signal.aborted) {
        throw new VectorizeError("stopped", `the vectorizer was stopped ${this.backlog()} events behind`);
      }
      await this.#progress(signal);
    }
  }

  /** As `VectorRows` says. To be called with the ledger held, and for one seal that surely follows. */
  takeAdded(uptoSeq: number, stands?: Promise<unknown>): Promise<TakenRows | undefined> {
    return this.#inTurn(async () => {
      const late = this.#jobs ? this.#done.missing(uptoSeq, MOST_LATE_RANGES) : [];
      if (!late) return undefined;
      const spaces = await this.#spaces.take(stands);
      this.#lateSinceStart += countSeqs(withoutSeqs(late, this.#late));
      this.#late = late;
      this.#lateWaiting = countSeqs(late);
      return { spaces, late };
    });
  }

  /** What has no row yet is found at the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wakeWaiters();
    await Promise.all([this.#jobs?.close(), this.#groundJobs?.close()]);
    await Promise.allSettled([...this.#work]);
    await this.#spaces.close();
  }

  #makeJobs(): EmbedJobs {
    const { plan, workers, urgentWorkers, recentActions, log } = this.#options;
    const {
      jobTimeoutMs = 60_000,
      openTimeoutMs = 180_000,
      maxWorkerRssBytes = Number.POSITIVE_INFINITY,
    } = this.#options;
    const limits = { jobTimeoutMs, openTimeoutMs, maxRssBytes: maxWorkerRssBytes };
    const { critical, high } = this.#options.levels;
    const urgentLevels = [critical, high].filter(isRowLevel);
    return new EmbedJobs({ plan, workers, urgentWorkers, urgentLevels, recentActions, log, ...limits });
  }

  /** A late event is to get its row, as its seal says: even if the level of its priority is `none` by now. */
  #levelsOfLate(): LevelOfPriority {
    const levels = { ...this.#options.levels };
    for (const priority of PRIORITIES) if (!isRowLevel(levels[priority])) levels[priority] = "heuristic";
    return levels;
  }

  #levelsAt(seq: number): LevelOfPriority {
    return seq < this.#sealedBefore ? this.#levelsOfLate() : this.#options.levels;
  }

  #specsAt(seq: number): SpecOfPriority {
    const levels = Object.entries(this.#levelsAt(seq)) as [Priority, VectorLevel][];
    const withRows = levels.flatMap(([priority, level]) => (isRowLevel(level) ? [[priority, level] as const] : []));
    return Object.fromEntries(withRows.map(([priority, level]) => [priority, this.#options.plan.specOf(level)]));
  }

  async #noteRowless(from: number): Promise<void> {
    const { entries } = this.#options.tree;
    const hasRow = (seq: number) => this.#done.has(seq);
    for await (const { seq, priority, isSeal } of findRowless(entries, { from, to: this.#end, hasRow })) {
      if (isSeal || !isRowLevel(this.#levelsAt(seq)[priority])) this.#finish(seq);
      else this.#backlog.add(seq, priority, this.#done.firstMissing);
    }
  }

  #claim(event: AppendedEvent): void {
    const { seq, entry } = event;
    if (this.#claimed.has(seq)) return;
    if (isSealEntry(entry) || !isRowLevel(this.#options.levels[entry.priority])) {
      this.#finish(seq);
      return;
    }
    this.#backlog.add(seq, entry.priority, this.#done.firstMissing);
    if (this.#pending.offer(event)) this.#claimed.add(seq);
  }

  #finish(seq: number): void {
    if (this.#done.has(seq)) return;
    this.#claimed.add(seq);
    this.#done.add(seq);
    this.#backlog.remove(seq);
    if (this.#lateWaiting > 0 && hasSeq(this.#late, seq)) this.#lateWaiting -= 1;
  }

  #finishAll(from: number, to: number): void {
    for (let seq = from; seq <= to; seq += 1) this.#finish(seq);
  }

  /** Hands out jobs: critical ones at once, others as long as few wait, so that they grow and a later one is not behind them. */
  #pump(): void {
    const jobs = this.#jobs;
    if (!jobs || this.#stop.signal.aborted) return;
    for (let next = this.#pending.mostUrgent(); next; next = this.#pending.mostUrgent()) {
      if (next !== "critical" && !jobs.hasRoomFor(next)) break;
      this.#track(this.#runJob(jobs, this.#pending.take(next, JOB), next));
    }
    while (this.#claimed.firstMissing < this.#end && jobs.hasRoomFor("low")) this.#startRange(jobs);
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /** Hands out what is in the ledger only, oldest first. */
  #startRange(jobs: EmbedJobs): void {
    const from = this.#claimed.firstMissing;
    const end = from < this.#sealedBefore ? Math.min(this.#end, this.#sealedBefore) : this.#end;
    const size = Math.min(MOST_RANGE_EVENTS, Math.max(LEAST_RANGE_EVENTS, Math.floor((end - from) / 8)));
    let to = from;
    const skip: number[] = [];
    for (let seq = from; seq < Math.min(end, from + size); seq += 1) {
      if (this.#claimed.has(seq)) skip.push(seq);
      else {
        this.#claimed.add(seq);
        to = seq + 1;
      }
    }
    const within = skip.filter((seq) => seq < to);
    this.#track(this.#runRange(jobs, { from, to, skip: within }));
  }

  /** Embeds and writes one job, for as long as it takes. Never rejects. */
  async #runJob(jobs: EmbedJobs, taken: TakenEvents, priority: Priority): Promise<void> {
    const level = this.#options.levels[priority] as RowLevel;
    for (let left: readonly AppendedEvent[] = taken.events; left.length > 0; ) {
      const again = left !== taken.events;
      const events = left;
      const part = await this.#untilWritten(async () => {
        const rows = await jobs.embed(events, priority, level, { again });
        return { seqs: events.slice(0, rows.count).map(({ seq }) => seq), rows: [rows] };
      });
      left = part ? events.slice(part.seqs.length) : [];
    }
    this.#pending.release(taken);
  }

  /** As `#runJob`, in parts. A range that ends its workers is read here from there on, to find the event that does it. */
  async #runRange(jobs: EmbedJobs, range: SeqsToEmbed): Promise<void> {
    let readHere = false;
    for (let from = range.from; from < range.to; ) {
      const rest = { ...range, from };
      const part = await this.#untilWritten(async () => {
        try {
          if (!readHere) return await this.#embedRange(jobs, rest);
        } catch (error) {
          if (!(error instanceof WorkerDied)) throw error;
          readHere = true;
        }
        return this.#embedReadBack(jobs, rest);
      });
      if (!part) return;
      from = part.end;
    }
  }

  /** A range, or as much of it as the worker takes in one go. */
  async #embedRange(jobs: EmbedJobs, { from, to, skip }: SeqsToEmbed): Promise<EmbeddedPart> {
    const { entries, payloads } = this.#options.tree;
    const range = { entries, payloads, from, to, skip };
    const specs = () => this.#specsAt(from);
    const { rows, last } = await jobs.embedRange(range, specs, () => this.#places.before(from));
    if (last) this.#places.note(last);
    const end = last ? last.entry.seq + 1 : to;
    return { seqs: seqsBetween(from, end, skip), rows, end };
  }

  async #embedReadBack(jobs: EmbedJobs, { from, to, skip }: SeqsToEmbed): Promise<EmbeddedPart> {
    const read = await this.#options.readAppended(from, Math.min(to - from, JOB.events));
    const last = read.at(-1);
    if (!last) throw new Error(`event ${from} is in the ledger and was not read`);
    const end = last.seq + 1;
    const seqs = seqsBetween(from, end, skip);
    const wanted = new Set(seqs);
    const levels = this.#levelsAt(from);
    const events = read.filter((event) => wanted.has(event.seq) && !isSealEntry(event.entry));
    const rows: RowsOfSpace[] = [];
    for (const level of rowLevelsOf(levels)) {
      let left = events.filter(({ entry }) => levels[entry.priority] === level);
      while (left.length > 0) {
        const part = await jobs.embed(left, "low", level, { again: true });
        rows.push(part);
        left = left.slice(part.count);
      }
    }
    return { seqs, rows, end };
  }

  /** What was embedded and written; `undefined` once the vectorizer was stopped. */
  async #untilWritten<T extends Embedded>(embed: () => Promise<T>): Promise<T | undefined> {
    let made: T | undefined;
    while (!this.#stop.signal.aborted) {
      try {
        made ??= await embed();
        const embedded = made;
        await this.#inTurn(() => this.#write(embedded));
        this.#wakeWaiters();
        this.#pump();
        return embedded;
      } catch (error) {
        await this.#retryAfter("rows not written, the job is done again", error as Error);
      }
    }
    return undefined;
  }

  /** What is written leaves `rows`: a second try must not write it twice. */
  async #write({ seqs, rows }: Embedded): Promise<void> {
    for (let next = rows[0]; next; next = rows[0]) {
      await this.#spaces.append(next);
      rows.shift();
    }
    for (const seq of seqs) this.#finish(seq);
  }

  /** One after another, in the order of the calls; a failure is its caller's only. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
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

/** Events from `from` up to but not including `to`, without those of `skip`. */
interface SeqsToEmbed {
  from: number;
  to: number;
  skip: number[];
}

function seqsBetween(from: number, end: number, skip: readonly number[]): number[] {
  const skipped = new Set(skip);
  return Array.from({ length: end - from }, (_, i) => from + i).filter((seq) => !skipped.has(seq));
}
