// Which embedding process does which job: the most urgent first. Urgent jobs (critical and high events) have processes of
// their own besides, so that they wait for no other job. A job is given only to a process that is up: while one comes up
// for it, another may be free sooner.
import { type WorkerOptions, WorkerProcess, type WorkerTold } from "./worker-process.js";

export interface PoolOptions extends WorkerOptions {
  workers: number;
  /** Further ones, for urgent jobs only. */
  urgentWorkers: number;
  /** What a process for urgent jobs opens before it is up. */
  prepareUrgent: WorkerOptions["prepare"];
  told: Omit<WorkerTold, "changed">;
}

interface Waiting {
  urgency: number;
  run(worker: WorkerProcess): Promise<void>;
  reject(reason: unknown): void;
}

/** From this urgency on a job may use the processes of urgent ones. */
export const URGENT = 2;
/** Up to this urgency nobody waits for a job: it counts for no one who asks whether workers are busy. */
export const BACKGROUND = -2;

export class WorkerPool {
  readonly #stop: AbortSignal;
  readonly #shared: WorkerProcess[];
  readonly #urgent: WorkerProcess[];
  readonly #busy = new Set<WorkerProcess>();
  /** Those that are to be replaced once their job is done. */
  readonly #outdated = new Set<WorkerProcess>();
  /** Most urgent first, those of one urgency in the order of their coming. Bounded by who hands out jobs. */
  readonly #waiting: Waiting[] = [];

  constructor({ workers, urgentWorkers, prepareUrgent, told, ...options }: PoolOptions) {
    this.#stop = options.stop;
    const changed = () => this.#handOut();
    const make = (length: number, prepare: WorkerOptions["prepare"]) =>
      Array.from({ length }, () => new WorkerProcess({ ...options, prepare }, { ...told, changed }));
    this.#shared = make(workers, options.prepare);
    this.#urgent = make(urgentWorkers, prepareUrgent);
  }

  /** How many jobs wait. */
  get waiting(): { urgent: number; others: number } {
    const urgent = this.#waiting.filter(({ urgency }) => urgency >= URGENT).length;
    const background = this.#waiting.filter((job) => job.urgency <= BACKGROUND).length;
    return { urgent, others: this.#waiting.length - urgent - background };
  }

  /** Of the processes that run. */
  get pids(): number[] {
    return this.#all.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /**
   * What `use` makes of the worker it is given, which is its own until then. `again`: before others of its urgency, as the
   * rest of a job that was among the first.
   */
  run<T>(urgency: number, use: (worker: WorkerProcess) => Promise<T>, { again = false } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#stop.aborted) {
        reject(this.#stop.reason);
        return;
      }
      const isBefore = (job: Waiting) => (again ? job.urgency > urgency : job.urgency >= urgency);
      const behind = this.#waiting.findLastIndex(isBefore);
      // Never rejects, whatever `use` does before its first wait: the worker would stay busy for ever.
      const run = async (worker: WorkerProcess) => {
        try {
          resolve(await use(worker));
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.splice(behind + 1, 0, { urgency, run, reject });
      this.#handOut();
    });
  }

  /** A long job is about to begin, behind which urgent ones would wait. */
  prepareUrgent(): void {
    for (const worker of this.#urgent) worker.start();
  }

  /** Has a first process up before there is a job: what it opens takes long. */
  prepareFirst(): void {
    this.#shared[0]?.start();
  }

  /** What is to be prepared is another now: each process is replaced when it has no job. */
  outdate(): void {
    for (const worker of this.#all) {
      if (this.#busy.has(worker) || worker.state === "coming") this.#outdated.add(worker);
      else worker.replace();
    }
  }

  /** Ends the processes; jobs that wait are rejected. `stop` must have been aborted before. */
  async close(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stop.reason);
    await Promise.all(this.#all.map((worker) => worker.close()));
  }

  get #all(): WorkerProcess[] {
    return [...this.#shared, ...this.#urgent];
  }

  #handOut(): void {
    this.#replaceOutdated();
    for (let job = this.#waiting[0]; job; job = this.#waiting[0]) {
      const worker = this.#idle(job.urgency).find(({ state }) => state === "up");
      if (!worker) break;
      this.#waiting.shift();
      this.#busy.add(worker);
      void job.run(worker).then(() => {
        this.#busy.delete(worker);
        this.#handOut();
      });
    }
    this.#startForWaiting();
  }

  #replaceOutdated(): void {
    for (const worker of this.#outdated) {
      if (this.#busy.has(worker) || worker.state === "coming") continue;
      this.#outdated.delete(worker);
      worker.replace();
    }
  }

  /** An urgent job leaves the shared processes to the others, if one of its own runs; to start one is its last choice. */
  #idle(urgency: number): WorkerProcess[] {
    const own = urgency >= URGENT ? this.#urgent : [];
    const idle = (workers: WorkerProcess[]) => workers.filter((worker) => !this.#busy.has(worker));
    const running = idle(own).filter(({ state }) => state !== "down");
    return [...running, ...idle(this.#shared), ...idle(own).filter(({ state }) => state === "down")];
  }

  /** One for each job that waits, as far as there are any: what comes up already counts. */
  #startForWaiting(): void {
    const taken = new Set<WorkerProcess>();
    for (const { urgency } of this.#waiting) {
      const idle = this.#idle(urgency).filter((worker) => !taken.has(worker));
      const worker = idle.find(({ state }) => state === "coming") ?? idle.find(({ state }) => state === "down");
      if (!worker) continue;
      taken.add(worker);
      worker.start();
    }
  }
}
