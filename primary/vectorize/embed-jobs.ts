// Jobs for the embedding processes, most urgent first: batches of events of one priority. A job whose worker died is done
// again. A job that kills three workers is split into single events, and an event that kills three more is embedded here
// without its state: a real vector of who, what and when, said loudly in the log. So nothing waits for ever, nothing gets
// a made-up vector, and one poisonous state cannot stop the seal of everything else.
import { embedderOf, type RowLevel } from "../../shared/embed/levels.js";
import type { Priority } from "../../shared/format/entry.js";
import { formatRows, rowBytes } from "../../shared/format/vector-row.js";
import type { Logger } from "../../shared/log.js";
import type { AppendedEvent } from "../event.js";
import {
  type EmbedReply,
  type EventPlace,
  type RangeToEmbed,
  type RowsOfLevel,
  STRINGS_PER_EVENT,
} from "./embed-protocol.js";
import { URGENT, WorkerPool } from "./worker-pool.js";
import { WorkerDied, type WorkerProcess } from "./worker-process.js";

export interface EmbedJobsOptions {
  workers: number;
  /** Further ones, for critical and high events only. */
  urgentWorkers: number;
  log: Logger;
  /** A worker that says nothing for so long is ended. */
  jobTimeoutMs: number;
}

const URGENCY: Record<Priority, number> = { critical: 3, high: 2, medium: 1, low: 0 };
const RANGE_URGENCY = -1;
const MOST_DEATHS = 3;

export class EmbedJobs {
  readonly #options: EmbedJobsOptions;
  readonly #stop = new AbortController();
  readonly #pool: WorkerPool;
  /** Events embedded without their state, since the start. */
  degraded = 0;
  /** Workers that ended while they had a job, since the start. */
  deaths = 0;

  constructor(options: EmbedJobsOptions) {
    this.#options = options;
    this.#pool = new WorkerPool({ ...options, stop: this.#stop.signal });
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

  /** The rows of `events`, as they are stored. Rejects only once `close` was called. */
  embed(events: readonly AppendedEvent[], priority: Priority, level: RowLevel): Promise<RowsOfLevel> {
    return this.#pool.run(URGENCY[priority], async (worker) => {
      const rows = await this.#embedSurely(worker, events, level);
      return { level, firstSeq: (events[0] as AppendedEvent).seq, rows };
    });
  }

  /**
   * The rows of a range of the ledger, read by the worker itself, behind all jobs that carry their events. `known` is
   * asked when a worker is free: by then the job before may have said how far it got.
   *
   * @throws WorkerDied after three workers: embed the events one by one then
   */
  embedRange(range: Omit<RangeToEmbed, "known">, known: () => EventPlace | undefined): Promise<EmbedReply> {
    const work = (worker: WorkerProcess) =>
      this.#surely(range.from, range.to - range.from, () => worker.embed({ range: { ...range, known: known() } }));
    this.#pool.prepareUrgent();
    return this.#pool.run(RANGE_URGENCY, work);
  }

  /** Ends the workers; jobs under way and waiting are rejected. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#pool.close();
  }

  async #embedSurely(worker: WorkerProcess, events: readonly AppendedEvent[], level: RowLevel): Promise<Uint8Array> {
    const seqs = events.map(({ seq }) => seq);
    const texts = textsOf(events);
    try {
      const { rows } = await this.#surely(seqs[0] as number, events.length, async () => {
        const reply = await worker.embed({ level, seqs, texts });
        const bytes = events.length * rowBytes(embedderOf(level).space);
        if (reply.rows[0]?.rows.length === bytes) return reply;
        throw new WorkerDied("embedding worker gave rows of another length");
      });
      return (rows[0] as RowsOfLevel).rows;
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      return events.length === 1
        ? this.#embedWithoutState(events[0] as AppendedEvent, level)
        : this.#embedApart(worker, events, level);
    }
  }

  /** Tries up to three times. @throws WorkerDied if each ended a worker */
  async #surely(firstSeq: number, events: number, attempt: () => Promise<EmbedReply>): Promise<EmbedReply> {
    for (let deaths = 1; ; deaths += 1) {
      try {
        return await attempt();
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        if (!(error instanceof WorkerDied)) throw error;
        this.deaths += 1;
        this.#options.log.warn("embedding worker died, its job is done again", { error, events, first_seq: firstSeq });
        if (deaths >= MOST_DEATHS) throw error;
      }
    }
  }

  async #embedApart(worker: WorkerProcess, events: readonly AppendedEvent[], level: RowLevel): Promise<Uint8Array> {
    const rows: Uint8Array[] = [];
    for (const event of events) rows.push(await this.#embedSurely(worker, [event], level));
    return Buffer.concat(rows);
  }

  async #embedWithoutState({ seq, entry }: AppendedEvent, level: RowLevel): Promise<Uint8Array> {
    this.degraded += 1;
    this.#options.log.error("event embedded without its state: its state ended three workers", {
      seq,
      element: entry.element_id,
    });
    const { space, embed } = embedderOf(level);
    const [vector] = await embed([{ entry, state: {} }]);
    return formatRows([{ seq, vector: vector as Float32Array }], space);
  }
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
