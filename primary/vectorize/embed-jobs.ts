// Jobs for the embedding processes, most urgent first: batches of events of one priority. A job whose worker died is done
// again. A job that kills three workers is split into single events, and an event that kills three more is embedded
// without its state: a real vector of who, what and when, said loudly in the log. A model that cannot be used, or kills
// workers whatever it is given, is told to the plan, and its events are embedded as the plan then says. So nothing waits
// for ever, nothing gets a made-up vector, and one poisonous state cannot stop the seal of everything else.
import { type EmbedderSpec, HEURISTIC_SPEC, openEmbedder } from "../../shared/embed/embedder.js";
import type { RowLevel } from "../../shared/embed/levels.js";
import { NO_ACTIONS } from "../../shared/embed/recent-actions.js";
import type { Priority } from "../../shared/format/entry.js";
import { spaceName } from "../../shared/format/space.js";
import { formatRows, rowBytes } from "../../shared/format/vector-row.js";
import type { Logger } from "../../shared/log.js";
import type { AppendedEvent } from "../event.js";
import {
  type EmbedReply,
  type EventPlace,
  type RangeToEmbed,
  type RowsOfSpace,
  type SpecOfPriority,
  STRINGS_PER_EVENT,
} from "./embed-protocol.js";
import { joinRows } from "./embed-range.js";
import type { LevelPlan } from "./level-plan.js";
import { BACKGROUND, URGENT, WorkerPool } from "./worker-pool.js";
import { ModelFailure, WorkerDied, type WorkerProcess } from "./worker-process.js";

export interface EmbedJobsOptions {
  plan: LevelPlan;
  workers: number;
  /** Further ones, for critical and high events only. */
  urgentWorkers: number;
  /** Of critical and high events. */
  urgentLevels: readonly RowLevel[];
  /** What the elements of these events of the ledger had done before them. */
  recentActions: (seqs: readonly number[]) => Uint32Array;
  log: Logger;
  /** A worker that says nothing for so long is ended. */
  jobTimeoutMs: number;
  openTimeoutMs: number;
  maxRssBytes: number;
}

const URGENCY: Record<Priority, number> = { critical: 3, high: 2, medium: 1, low: 0 };
const RANGE_URGENCY = -1;
const MOST_DEATHS = 3;

export class EmbedJobs {
  readonly #options: EmbedJobsOptions;
  readonly #stop = new AbortController();
  readonly #pool: WorkerPool;
  /** Processes that ended while they opened a model, in a row, by its space. */
  readonly #diedOpening = new Map<string, number>();
  /** What workers are forked for now. */
  #prepared: string | undefined;
  /** Events embedded without their state, since the start. */
  degraded = 0;
  /** Workers that ended while they had a job, since the start. */
  deaths = 0;
  /** Workers that were replaced because of their size, since the start. */
  outgrown = 0;

  constructor(options: EmbedJobsOptions) {
    this.#options = options;
    const { plan } = options;
    this.#pool = new WorkerPool({
      ...options,
      prepare: () => plan.specs(),
      // Models are large: what only other events need is opened by these if ever a job asks for it.
      prepareUrgent: () => plan.specs(options.urgentLevels),
      stop: this.#stop.signal,
      told: {
        opened: (space) => {
          this.#diedOpening.delete(space);
          plan.opened(space);
        },
        diedOpening: (space) => this.#noteDiedOpening(space),
        modelFailed: (failure) => plan.failed(failure.space, failure),
        outgrown: () => {
          this.outgrown += 1;
        },
      },
    });
  }

  /** Loads what is slow to load before there is a job for it. */
  start(): void {
    const { plan } = this.#options;
    plan.onChange(() => this.#followPlan());
    this.#followPlan();
  }

  /** Workers that were forked for another plan are replaced; one at least opens its models now and not at its first job. */
  #followPlan(): void {
    const specs = this.#options.plan.specs();
    const prepared = specs.map(({ space }) => spaceName(space)).join(" ");
    if (this.#prepared !== undefined && prepared !== this.#prepared) this.#pool.outdate();
    this.#prepared = prepared;
    if (specs.some(({ kind }) => kind !== "heuristic")) this.#pool.prepareFirst();
  }

  /** Whether few jobs that this one could wait behind wait for a worker themselves: no more than there are workers for it. */
  hasRoomFor(priority: Priority): boolean {
    const { workers, urgentWorkers } = this.#options;
    const { urgent, others } = this.#pool.waiting;
    return URGENCY[priority] >= URGENT ? urgent < workers + urgentWorkers : others < workers;
  }

  get workerPids(): number[] {
    return this.#pool.pids;
  }

  /**
   * The rows of `events`, as they are stored, or of the first of them, at least one: ask for the others with `again`. Rejects
   * only once `close` was called.
   */
  async embed(
    events: readonly AppendedEvent[],
    priority: Priority,
    level: RowLevel,
    { again = false } = {},
  ): Promise<RowsOfSpace> {
    const job = { events, level, urgency: URGENCY[priority], again };
    return this.#tellingThePlan(() => this.#embedSurely(job));
  }

  /**
   * The rows of a range of the ledger, read by the worker itself, behind all jobs that carry their events. `known` and
   * `specs` are asked when a worker is free: by then the job before may have said how far it got.
   *
   * @throws WorkerDied after three workers: embed the events one by one then
   */
  embedRange(range: LedgerRange, specs: () => SpecOfPriority, known: KnownPlace): Promise<EmbedReply> {
    return this.#tellingThePlan(() => this.#readRange(RANGE_URGENCY, range, specs, known));
  }

  /**
   * The same behind everything else, for rows that nobody waits for: in one space or not at all.
   *
   * @throws WorkerDied after three workers; ModelFailure, also after three that ended while they opened the model
   */
  embedBehind(range: LedgerRange, specs: SpecOfPriority, known: KnownPlace): Promise<EmbedReply> {
    return this.#readRange(BACKGROUND, range, () => specs, known);
  }

  #readRange(urgency: number, range: LedgerRange, specs: () => SpecOfPriority, known: KnownPlace): Promise<EmbedReply> {
    const { from, to } = range;
    this.#pool.prepareUrgent();
    return this.#surely({ urgency, firstSeq: from, events: to - from }, (worker) =>
      worker.embed({ range: this.#complete(range, specs(), known()) }),
    );
  }

  #complete(range: LedgerRange, specs: SpecOfPriority, known: EventPlace | undefined): RangeToEmbed {
    const seqs = Array.from({ length: range.to - range.from }, (_, i) => range.from + i);
    return { ...range, specs, known, recentActions: this.#recentActionsFor(Object.values(specs), seqs) };
  }

  #recentActionsFor(specs: readonly EmbedderSpec[], seqs: readonly number[]): Uint32Array | undefined {
    return specs.some(({ kind }) => kind === "heuristic") ? this.#options.recentActions(seqs) : undefined;
  }

  /** Ends the workers; jobs under way and waiting are rejected. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#pool.close();
  }

  /** Again, as the plan then says, when a model cannot be used. */
  async #tellingThePlan<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof ModelFailure)) throw error;
        this.#options.plan.failed(error.space, error);
      }
    }
  }

  async #embedSurely(job: EventJob): Promise<RowsOfSpace> {
    const { events } = job;
    try {
      return await this.#embedOnce(job);
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      return events.length === 1 ? this.#embedWithoutState(job) : this.#embedApart(job);
    }
  }

  /** @throws WorkerDied after three workers, ModelFailure */
  async #embedOnce({ events, level, urgency, again }: EventJob): Promise<RowsOfSpace> {
    const seqs = events.map(({ seq }) => seq);
    const texts = textsOf(events);
    const about = { urgency, firstSeq: seqs[0] as number, events: events.length, again };
    const { rows } = await this.#surely(about, async (worker) => {
      const spec = this.#options.plan.specOf(level);
      const reply = await worker.embed({ spec, seqs, texts, recentActions: this.#recentActionsFor([spec], seqs) });
      const { count = 0, bytes } = reply.rows[0] ?? {};
      const isWhole = bytes?.length === count * rowBytes(spec.space);
      if (isWhole && count > 0 && count <= events.length) return reply;
      throw new WorkerDied("embedding worker gave rows of another length");
    });
    return rows[0] as RowsOfSpace;
  }

  /** Tries until three workers ended over it. @throws WorkerDied, ModelFailure */
  async #surely(
    about: { urgency: number; firstSeq: number; events: number; again?: boolean },
    attempt: (worker: WorkerProcess) => Promise<EmbedReply>,
  ): Promise<EmbedReply> {
    const { urgency, firstSeq, events } = about;
    for (let deaths = 0, opening = 0; ; ) {
      try {
        return await this.#pool.run(urgency, attempt, { again: about.again === true || deaths > 0 });
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        if (!(error instanceof WorkerDied)) throw error;
        this.deaths += 1;
        const fields = { error, events, first_seq: firstSeq };
        this.#options.log.warn("embedding worker died, its job is done again", fields);
        // What ends a worker that opens a model is the model. The plan hears of it and names another, but not in the background.
        if (error.opening === undefined) deaths += 1;
        else opening += 1;
        if (deaths >= MOST_DEATHS) throw error;
        if (error.opening !== undefined && urgency === BACKGROUND && opening >= MOST_DEATHS) {
          throw diedOpening(error.opening);
        }
      }
    }
  }

  async #embedApart(job: EventJob): Promise<RowsOfSpace> {
    const parts: RowsOfSpace[] = [];
    for (const event of job.events) {
      const part = await this.#embedSurely({ ...job, events: [event], again: true });
      // The level has fallen back meanwhile: the others are asked for again, and get rows of one space.
      if (spaceName(part.space) !== spaceName((parts[0] ?? part).space)) break;
      parts.push(part);
    }
    return joinRows(parts);
  }

  /** Its state is left out. A model that even then ends three workers ends them over anything. */
  async #embedWithoutState(job: EventJob): Promise<RowsOfSpace> {
    const event = job.events[0] as AppendedEvent;
    const { plan, log } = this.#options;
    const spec = plan.specOf(job.level);
    const row = spec.kind === "heuristic" ? await this.#embedHere(event) : await this.#embedBare(job, event);
    this.degraded += 1;
    log.error("event embedded without its state: its state ended three workers", {
      seq: event.seq,
      element: event.entry.element_id,
    });
    return row;
  }

  /** Without a model this costs nothing and cannot fail. */
  async #embedHere({ seq, entry }: AppendedEvent): Promise<RowsOfSpace> {
    const { space, embed } = await openEmbedder(HEURISTIC_SPEC);
    const [recentActions = NO_ACTIONS] = this.#options.recentActions([seq]);
    const [vector] = await embed([{ entry, state: {}, recentActions }]);
    const bytes = formatRows([{ seq, vector: vector as Float32Array }], space);
    return { space, firstSeq: seq, count: 1, bytes };
  }

  async #embedBare(job: EventJob, event: AppendedEvent): Promise<RowsOfSpace> {
    const space = spaceName(this.#options.plan.specOf(job.level).space);
    try {
      return await this.#embedOnce({ ...job, events: [{ ...event, stateJson: "{}" }], again: true });
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      throw modelDied(space, "six workers in a row ended over one event, with its state and without");
    }
  }

  #noteDiedOpening(space: string): void {
    const deaths = (this.#diedOpening.get(space) ?? 0) + 1;
    this.#diedOpening.set(space, deaths);
    if (deaths < MOST_DEATHS) return;
    this.#diedOpening.delete(space);
    this.#options.plan.failed(space, diedOpening(space));
  }
}

/** Of the ledger; its worker reads it. */
type LedgerRange = Omit<RangeToEmbed, "known" | "recentActions" | "specs">;
/** Where reading may begin, asked when a worker is free. */
type KnownPlace = () => EventPlace | undefined;

interface EventJob {
  events: readonly AppendedEvent[];
  level: RowLevel;
  urgency: number;
  again: boolean;
}

function diedOpening(space: string): ModelFailure {
  return modelDied(space, "three workers in a row ended while they loaded the model");
}

function modelDied(space: string, message: string): ModelFailure {
  return new ModelFailure({
    space,
    code: "encoder-died",
    message,
    hint: "`isochron-primary model test NAME` runs it by itself; is there memory enough for it?",
  });
}

function textsOf(events: readonly AppendedEvent[]): string[] {
  const texts = new Array<string>(events.length * STRINGS_PER_EVENT);
  let at = 0;
  for (const { entry, stateJson } of events) {
    texts[at++] = entry.action;
    texts[at++] = entry.element_id;
    texts[at++] = entry.element_type;
    texts[at++] = entry.timestamp;
    texts[at++] = stateJson;
  }
  return texts;
}
