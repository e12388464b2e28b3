// Which embedding process does which job: the most urgent first. Urgent jobs (critical and high events) have processes of
// their own besides, so that they wait for no other job, however long it is. Each process is forked at its first job; those
// of urgent jobs when a long job begins: to come up takes longer than a critical event may wait.
import { type WorkerOptions, WorkerProcess } from "./worker-process.js";

export interface PoolOptions extends WorkerOptions {
  workers: number;
  /** Further ones, for urgent jobs only. */
  urgentWorkers: number;
}

interface Waiting {
  urgency: number;
  run(worker: WorkerProcess): Promise<void>;
  reject(reason: unknown): void;
}

/** From this urgency on a job may use the processes of urgent ones. */
export const URGENT = 2;

export class WorkerPool {
  readonly #stop: AbortSignal;
  readonly #workers: WorkerProcess[];
  readonly #idle: WorkerProcess[];
  readonly #idleUrgent: WorkerProcess[];
  /** Most urgent first, those of one urgency in the order of their coming. Bounded by who hands out jobs. */
  readonly #waiting: Waiting[] = [];

  constructor({ workers, urgentWorkers, ...options }: PoolOptions) {
    this.#stop = options.stop;
    const make = (length: number) => Array.from({ length }, () => new WorkerProcess(options));
    this.#idle = make(workers);
    this.#idleUrgent = make(urgentWorkers);
    this.#workers = [...this.#idle, ...this.#idleUrgent];
  }

  /** How many jobs wait. */
  get waiting(): { urgent: number; others: number } {
    const urgent = this.#waiting.filter(({ urgency }) => urgency >= URGENT).length;
    return { urgent, others: this.#waiting.length - urgent };
  }

  /** Of the processes that run. */
  get pids(): number[] {
    return this.#workers.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** What `use` makes of the worker it is given, which is its own until then. */
  run<T>(urgency: number, use: (worker: WorkerProcess) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#stop.aborted) {
        reject(this.#stop.reason);
        return;
      }
      const behind = this.#waiting.findLastIndex((job) => job.urgency >= urgency);
      const run = (worker: WorkerProcess) => use(worker).then(resolve, reject);
      this.#waiting.splice(behind + 1, 0, { urgency, run, reject });
      this.#handOut();
    });
  }

  /** A long job is about to begin, behind which urgent ones would wait. */
  prepareUrgent(): void {
    for (const worker of this.#idleUrgent) worker.prepare();
  }

  /** Ends the processes; jobs that wait are rejected. `stop` must have been aborted before. */
  async close(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stop.reason);
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #handOut(): void {
    for (let job = this.#waiting[0]; job; job = this.#waiting[0]) {
      const from = this.#placeFor(job);
      const worker = from?.pop();
      if (!from || !worker) return;
      this.#waiting.shift();
      void job.run(worker).then(() => {
        from.push(worker);
        this.#handOut();
      });
    }
  }

  /** An urgent job leaves the others theirs if a process of its own runs; one that must be forked first is its last choice. */
  #placeFor({ urgency }: Waiting): WorkerProcess[] | undefined {
    const own = urgency >= URGENT && this.#idleUrgent.length > 0;
    if (own && this.#idleUrgent.at(-1)?.pid !== undefined) return this.#idleUrgent;
    if (this.#idle.length > 0) return this.#idle;
    return own ? this.#idleUrgent : undefined;
  }
}
