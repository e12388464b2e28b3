// Joins the primary's stages in the order of the flow: admitted events into the ledger, acked, vectorized, sealed,
// pushed. It owns the store's generations on disk and which of them may go.
import { readFile } from "node:fs/promises";
import PQueue from "p-queue";
import type { LevelOfPriority, RowLevel } from "../shared/embed/levels.js";
import type { ResolvedLevel } from "../shared/embed/resolve-level.js";
import { parseCheckpoint } from "../shared/format/checkpoint.js";
import type { Priority } from "../shared/format/entry.js";
import { SEAL_ACTION, SEAL_ELEMENT_TYPE } from "../shared/format/seal.js";
import type { NoteVerifier } from "../shared/format/signed-note.js";
import type { Logger } from "../shared/log.js";
import { listReadOnlyBelow, showSubvolume } from "../shared/store/btrfs.js";
import { currentGeneration, listGenerations, swapCurrent, sweepStore } from "../shared/store/generations.js";
import { type StoreLayout, SUBVOLUMES, type TreeLayout } from "../shared/store/layout.js";
import { readNewestSeal } from "../shared/store/read-newest-seal.js";
import { VolumeRoom } from "../shared/store/read-room.js";
import type { DatedGeneration, KeepRule } from "../shared/store/select-kept.js";
import type { SpareProcesses } from "../shared/store/spare-processes.js";
import { GenerationTidier } from "../shared/store/tidy-generations.js";
import { readTreeHashes } from "../shared/verify/check-tree-files.js";
import { countRows } from "../shared/verify/load-verified-state.js";
import type { Ack, AdmittedEvent, AppendedEvent, EventSink, SealedGeneration } from "./event.js";
import type { SigningKeys } from "./keys/signing-keys.js";
import { Ledger, type LedgerLimits } from "./ledger/ledger.js";
import { LedgerError } from "./ledger/ledger-error.js";
import { openLedger } from "./ledger/open-ledger.js";
import { AppendedReader } from "./ledger/read-appended.js";
import type { LocalGeneration } from "./push/plan-push.js";
import type { LinkSource, ReplicaLink } from "./push/replica-link.js";
import { CriticalDeadline } from "./seal/critical-deadline.js";
import { FillSeals } from "./seal/fill-seals.js";
import { LateFollower } from "./seal/follow-late.js";
import { SealSchedule, type SealScheduleState } from "./seal/schedule-seals.js";
import { sealGeneration } from "./seal/seal-generation.js";
import type { SealStrategy } from "./seal/seal-strategy.js";
import { FillRecord } from "./vectorize/fill/fill-record.js";
import { FillRoom } from "./vectorize/fill/fill-room.js";
import { filledEvent } from "./vectorize/fill/filled-event.js";
import { SpaceFiller } from "./vectorize/fill/space-filler.js";
import { specOfLevel } from "./vectorize/fill/spec-of-level.js";
import type { LevelPlan } from "./vectorize/level-plan.js";
import type { SealedRowCounts } from "./vectorize/row-spaces.js";
import { type SealedVectors, Vectorizer, type VectorizerState } from "./vectorize/vectorizer.js";

export interface PublisherOptions {
  store: StoreLayout;
  storeUuid: string;
  keys: SigningKeys;
  ledger: LedgerLimits;
  vectorize: {
    levels: LevelOfPriority;
    plan: LevelPlan;
    workers: number;
    urgentWorkers: number;
    maxQueuedEvents: number;
    maxWorkerRssBytes: number;
    /** What a level that is not in force would make its rows with. */
    resolve: (level: RowLevel) => Promise<ResolvedLevel>;
    /** The level that events of a priority get when there is time, besides their first one. */
    later: Partial<Record<Priority, RowLevel>>;
    /** A critical event waits so long for vectors, then its generation goes without those that are late; 0 for ever. */
    criticalDeadlineMs: number;
  };
  sealStrategy: SealStrategy;
  /** Generations that stay though they are nobody's base. */
  keep: KeepRule;
  versions: { kernel: string; progs: string };
  /** Processes that wait for the commands of seals. */
  spares: SpareProcesses;
  /** Sees each batch once it is durable, before its acks. It must not throw or block. */
  onAppended: (events: readonly AppendedEvent[]) => void;
  /** Called with each generation once it stands. */
  onSealed: (sealed: SealedGeneration) => void;
  /** Called after each seal that was tried, whether it succeeded or not. */
  onSealTried: (outcome: SealOutcome) => void;
  /** The ledger takes no more events until it is opened anew. */
  onFailure: (failure: LedgerError) => void;
  log: Logger;
}

export interface SealOutcome {
  ms: number;
  failed: boolean;
}

/** How soon a seal follows that an operator's order waits for. */
const ASKED_SEAL_MS = 100;

/** What a seal on demand did. */
export type SealResult = { sealed: true; generation: SealedGeneration } | { sealed: false; reason: string };

export class Publisher implements EventSink, LinkSource {
  readonly #options: PublisherOptions;
  readonly #ledger: Ledger;
  readonly #vectorizer: Vectorizer;
  readonly #schedule: SealSchedule;
  readonly #critical: CriticalDeadline;
  readonly #follower: LateFollower;
  readonly #filler: SpaceFiller;
  readonly #fillSeals: FillSeals;
  readonly #seals = new PQueue({ concurrency: 1 });
  readonly #tidier: GenerationTidier;
  readonly #stopping = new AbortController();
  readonly #local = new Map<number, LocalGeneration>();
  /** Undefined until attached: with nobody's base known, nothing may be deleted. */
  #links: readonly ReplicaLink[] | undefined;
  #newest: SealedGeneration | undefined;
  /** Entries that the stages after the ledger have heard of. */
  #toldSize: number;

  private constructor(options: PublisherOptions, newest: SealedGeneration | undefined, opened: OpenedStages) {
    this.#options = options;
    this.#newest = newest;
    this.#ledger = opened.makeLedger(
      (events) => this.#appended(events),
      (failure) => options.onFailure(failure),
    );
    this.#vectorizer = opened.vectorizer;
    this.#tidier = new GenerationTidier({
      store: options.store,
      keep: options.keep,
      isNeeded: (generation) => this.#isNeeded(generation),
      onDelete: (generation) => this.#local.delete(generation),
      spares: options.spares,
      log: options.log,
    });
    this.#schedule = new SealSchedule({
      strategy: options.sealStrategy,
      seal: () => this.#sealScheduled(),
    });
    this.#critical = new CriticalDeadline(options.vectorize.criticalDeadlineMs);
    this.#follower = new LateFollower({
      vectors: opened.vectorizer,
      onThere: () => this.#schedule.demandWithin(0),
      signal: this.#stopping.signal,
    });
    this.#fillSeals = new FillSeals(options.sealStrategy);
    this.#toldSize = this.#ledger.size;
    this.#filler = this.#makeFiller(opened);
  }

  /** Recovers the store and starts the stages. @throws LedgerError `corrupt`, StoreError */
  static async open(options: PublisherOptions): Promise<Publisher> {
    const { store, log } = options;
    const swept = await sweepStore(store);
    if (swept.length > 0) log.warn("swept what a stop left", { swept });
    const generations = await listGenerations(store);
    const newest = await readNewest(store, generations.at(-1));
    if (newest && currentGeneration(store) !== newest.generation) await swapCurrent(store, newest.generation);
    const opened = await openStages(options, newest);
    const publisher = new Publisher(options, newest, opened);
    for (const generation of generations) publisher.#local.set(generation, unknownUuids(generation));
    // What recovery kept has waited long enough.
    if (publisher.ledgerSize() > (newest?.size ?? 0)) publisher.#schedule.soon();
    publisher.#follower.sealed(opened.late);
    publisher.#filler.start(newest?.size ?? 0, opened.late);
    return publisher;
  }

  /** Links are given once they are made, from this publisher, and have pinned what their last acks left. */
  attach(links: readonly ReplicaLink[]): void {
    this.#links = links;
    this.#tidier.notice();
  }

  // EventSink: where sources put admitted events.
  room(): Promise<void> | undefined {
    return this.#ledger.room();
  }
  append(event: AdmittedEvent): Promise<Ack> {
    const ack = this.#ledger.append(event);
    if (event.priority !== "critical") return ack;
    this.#critical.came();
    const settled = () => this.#critical.settled();
    ack.then(settled, settled);
    return ack;
  }

  // LinkSource: what links push.
  get storeUuid(): string {
    return this.#options.storeUuid;
  }
  get origin(): string {
    return this.#options.keys.origin;
  }
  keys(): readonly NoteVerifier[] {
    return this.#options.keys.everSigned;
  }
  get versions(): { kernel: string; progs: string } {
    return this.#options.versions;
  }
  ledgerSize(): number {
    return this.#ledger.size;
  }
  newest(): SealedGeneration | undefined {
    return this.#newest;
  }
  tree(generation: number): TreeLayout {
    return this.#options.store.generation(generation);
  }
  async sealed(generation: number): Promise<SealedGeneration> {
    return readSealed(this.#options.store, generation);
  }
  local(): LocalGeneration[] {
    return [...this.#local.values()].sort((a, b) => a.generation - b.generation);
  }
  /** Only a hello needs to know them, so no seal waits for the processes that find them out. */
  async uuidsKnown(): Promise<void> {
    const isUnknown = ({ timing }: LocalGeneration) => timing === undefined;
    // After a start, with history kept: one process for all of them, not two for each.
    if (this.local().filter(isUnknown).length > 1) await learnAllUuids(this.local(), this.#options.store);
    const unknown = this.local().filter(isUnknown);
    await Promise.all(
      unknown.map((local) =>
        learnUuids(local, this.tree(local.generation), this.#options.spares).catch((error: unknown) => {
          // One that was deleted meanwhile is nobody's base.
          if (this.#local.has(local.generation)) throw error;
        }),
      ),
    );
  }

  /** When the ledger's batch or seal of now began, by `performance.now()`; undefined while it does neither. */
  get turnBeganMs(): number | undefined {
    return this.#ledger.turnBeganMs;
  }

  /** Events without their vectors yet, and events waiting for the ledger. */
  backlog(): { vectors: number; ledger: number } {
    return { vectors: this.#vectorizer.backlog(), ledger: this.#ledger.queued };
  }

  vectorizing(): VectorizerState {
    return this.#vectorizer.state();
  }

  /** The strategy in force, and when the next seal is due. */
  seals(): SealScheduleState {
    return this.#schedule.state();
  }

  /** What fills spaces behind the first rows. */
  get filler(): SpaceFiller {
    return this.#filler;
  }

  /**
   * Seals now. Without `force`, an idle ledger is left as it is, unless vectors that were late are there now, or rows that
   * fill a space; `scheduled`: and these have waited their time.
   */
  seal({ force = false, scheduled = false } = {}): Promise<SealResult> {
    return this.#seals.add(async () => {
      const rowsWait = this.#fillSeals.dueInMs() < (scheduled ? 1 : Number.POSITIVE_INFINITY);
      if (!force && this.#ledger.size === (this.#newest?.size ?? 0) && !this.#follower.isDue && !rowsWait) {
        return { sealed: false, reason: "nothing new since the last seal" };
      }
      const generation = (this.#newest?.generation ?? 0) + 1;
      const { store, storeUuid, keys, spares, onSealed, log } = this.#options;
      const stages = { ledger: this.#ledger, vectors: this.#vectorizer, signal: this.#stopping.signal };
      const hurry = this.#critical.begin();
      const signing = { origin: keys.origin, signers: () => keys.signers };
      const parts = { hurry, store, storeUuid, ...signing, spares, log, ...stages };
      const sealed = await this.#timed(sealGeneration(parts, generation));
      this.#newest = sealed;
      this.#fillSeals.sealed();
      this.#filler.sealed(sealed.size, sealed.late);
      this.#critical.sealed(sealed.size);
      this.#follower.sealed(sealed.late);
      this.#local.set(generation, unknownUuids(generation));
      for (const link of this.#links ?? []) link.wake();
      onSealed(sealed);
      this.#tidier.notice();
      return { sealed: true, generation: sealed };
    });
  }

  async #timed<T>(seal: Promise<T>): Promise<T> {
    const { onSealTried } = this.#options;
    const beganMs = performance.now();
    const outcome = (failed: boolean) => ({ ms: performance.now() - beganMs, failed });
    try {
      const sealed = await seal;
      onSealTried(outcome(false));
      return sealed;
    } catch (error) {
      // A stop ends a seal under way: that is no failure.
      if (!this.#stopping.signal.aborted) onSealTried(outcome(true));
      throw error;
    }
  }

  /** Generations that stay for their own sake, ascending; the newest is one of them. */
  kept(): readonly DatedGeneration[] {
    return this.#tidier.kept;
  }

  /** Whether a generation stays whether or not it is anyone's base. */
  keeps(generation: number): boolean {
    return this.#tidier.keeps(generation);
  }

  /** Deletes the generations that are neither kept nor anyone's base. */
  tidy(): void {
    this.#tidier.notice();
  }

  /** In reverse order of the flow; what was acked and not yet sealed is sealed at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the primary stops"));
    this.#critical.stop();
    await this.#schedule.stop();
    await this.#seals.onIdle();
    await this.#filler.stop();
    // Before the ledger: it asks the ledger's index.
    await this.#vectorizer.stop();
    await this.#ledger.close();
    await this.#tidier.stop();
  }

  #appended(events: AppendedEvent[]): void {
    this.#options.onAppended(events);
    this.#critical.appended(events);
    this.#vectorizer.appended(events);
    this.#toldSize = Math.max(this.#toldSize, (events.at(-1)?.seq ?? 0) + 1);
    this.#filler.appended(events);
    const counts = new Map<Priority, number>();
    for (const { entry } of events) {
      // The seal's own entry must not ask for another seal: an idle store would never come to rest.
      if (entry.action === SEAL_ACTION && entry.element_type === SEAL_ELEMENT_TYPE) this.#schedule.enclosed();
      else counts.set(entry.priority, (counts.get(entry.priority) ?? 0) + 1);
    }
    if (counts.size > 0) this.#schedule.appended(counts);
  }

  #makeFiller({ vectorizer, fillRecord: record }: OpenedStages): SpaceFiller {
    const { store, vectorize, log } = this.#options;
    const room = new FillRoom(new VolumeRoom(store.dir));
    return new SpaceFiller({
      ground: vectorizer.ground((level) => specOfLevel(level, vectorize.plan, vectorize.resolve)),
      ...{ entries: store.live.entries, record, later: vectorize.later, log },
      ledgerSize: () => this.#toldSize,
      roomBytes: () => room.read(),
      onRows: (bytes) => {
        this.#fillSeals.wrote(bytes);
        this.#demandFillSeal();
      },
      onFilled: (fill, order) => this.append(filledEvent(fill, order)),
      onUnsealed: () => this.#schedule.demandWithin(ASKED_SEAL_MS),
      onEnded: () => {
        this.#fillSeals.ended();
        this.#demandFillSeal();
      },
    });
  }

  #demandFillSeal(): void {
    const dueInMs = this.#fillSeals.dueInMs();
    if (dueInMs !== Number.POSITIVE_INFINITY) this.#schedule.demandWithin(dueInMs);
  }

  async #sealScheduled(): Promise<void> {
    try {
      await this.seal({ scheduled: true });
      this.#demandFillSeal();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#options.log.error("the seal failed", { error });
      this.#schedule.soon();
    }
  }

  /** The newest, anyone's base, and, before the links are there to say what they need, all of them. */
  #isNeeded(generation: number): boolean {
    if (!this.#links || generation >= (this.#newest?.generation ?? 0)) return true;
    return this.#links.some((link) => link.pins.has(generation));
  }
}

function unknownUuids(generation: number): LocalGeneration {
  return { generation, timing: undefined, vector: undefined };
}

async function learnAllUuids(all: readonly LocalGeneration[], store: StoreLayout): Promise<void> {
  const listed = await listReadOnlyBelow(store.generations);
  for (const local of all) {
    const [timing, vector] = SUBVOLUMES.map((name) => listed.get(`${local.generation}/${name}`)?.uuid);
    if (timing !== undefined && vector !== undefined) Object.assign(local, { timing, vector });
  }
}

async function learnUuids(local: LocalGeneration, tree: TreeLayout, spares: SpareProcesses): Promise<void> {
  const uuidOf = async (path: string) => (await showSubvolume(path, { spares })).uuid;
  const [timing, vector] = await Promise.all([uuidOf(tree.timing), uuidOf(tree.vector)]);
  Object.assign(local, { timing, vector });
}

interface OpenedStages {
  vectorizer: Vectorizer;
  fillRecord: FillRecord;
  /** Events that the newest generation is without the vectors of. */
  late: SealedVectors["late"];
  makeLedger(onAppended: (events: AppendedEvent[]) => void, onFailure: (failure: LedgerError) => void): Ledger;
}

async function openStages(options: PublisherOptions, newest: SealedGeneration | undefined): Promise<OpenedStages> {
  const { store, storeUuid, keys, log } = options;
  const generation = newest?.generation ?? 0;
  const { parts, sealedSize, recovered } = await openLedger({ store, storeUuid, keys: keys.signers, generation });
  if (recovered.keptUnsealed > 0 || recovered.cutEvents > 0) log.info("recovered the ledger", { ...recovered });
  const reader = new AppendedReader(store.live);
  const vectorizer = new Vectorizer({
    tree: store.live,
    ...options.vectorize,
    readAppended: (fromSeq, limit) => reader.read(fromSeq, limit),
    recentActions: (seqs) => parts.heads.recentActions(seqs),
    log,
  });
  const late = newest ? await readLate(store.generation(generation), newest.size) : [];
  const rows = await readSealedRows(store, generation);
  await vectorizer.start(parts.tree.size, { size: sealedSize, rows, late });
  return {
    vectorizer,
    late,
    fillRecord: await FillRecord.open(store.fills, log),
    makeLedger: (onAppended, onFailure) => new Ledger(parts, options.ledger, onAppended, onFailure),
  };
}

/** Rows of the newest generation by space and file: all of them are sealed. */
async function readSealedRows(store: StoreLayout, generation: number): Promise<SealedRowCounts> {
  const bySpace = new Map<string, Map<string, number>>();
  if (generation === 0) return bySpace;
  for (const [key, rows] of await countRows(store.generation(generation))) {
    const [space = "", file = ""] = key.split("/");
    const files = bySpace.get(space) ?? new Map<string, number>();
    bySpace.set(space, files.set(file, rows));
  }
  return bySpace;
}

/** From the newest seal, which says it of all generations before. */
async function readLate(tree: TreeLayout, size: number): Promise<SealedVectors["late"]> {
  const hash = await readTreeHashes(tree, 0, size - 1, 1);
  const seal = await readNewestSeal(tree, hash.toString("hex"));
  if (seal) return seal.late ?? [];
  throw new LedgerError("corrupt", `${tree.dir} does not end with the seal under its checkpoint`, {
    hint: "run `isochron-primary verify`; if the store cannot be mended, start from a replica's copy",
  });
}

async function readNewest(store: StoreLayout, generation: number | undefined): Promise<SealedGeneration | undefined> {
  return generation === undefined ? undefined : readSealed(store, generation);
}

async function readSealed(store: StoreLayout, generation: number): Promise<SealedGeneration> {
  const note = await readFile(store.generation(generation).checkpoint, "utf8");
  // Its signature is checked by `openLedger`, which takes the same generation as its ground.
  const { size, root } = parseCheckpoint(note);
  return { generation, size, root };
}
