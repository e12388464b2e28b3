// One embedding process: forked when first needed, given one job at a time, replaced when it dies. It says of each job
// only done or died; what to do with a job that kills its worker is decided by embed-jobs.ts.
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Logger } from "../../shared/log.js";
import type { EmbedReply, EmbedRequest, EventsToEmbed, RangeToEmbed } from "./embed-protocol.js";

const WORKER_FILE = fileURLToPath(new URL("./embed-worker.js", import.meta.url));
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 5000;

/** A request without its number. */
export type EmbedJob = EventsToEmbed | { range: RangeToEmbed };

export interface WorkerOptions {
  log: Logger;
  /** A worker that says nothing for so long is ended. */
  jobTimeoutMs: number;
  stop: AbortSignal;
}

export class WorkerDied extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "WorkerDied";
  }
}

export class WorkerProcess {
  readonly #log: Logger;
  readonly #jobTimeoutMs: number;
  readonly #stop: AbortSignal;
  #child: ChildProcess | undefined;
  #deathsInARow = 0;
  #jobs = 0;

  constructor(options: WorkerOptions) {
    this.#log = options.log;
    this.#jobTimeoutMs = options.jobTimeoutMs;
    this.#stop = options.stop;
  }

  /** Of the running process, if there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Forks it ahead of its first job, which then finds it ready. One that died is left to its next job. */
  prepare(): void {
    if (!this.#child && this.#deathsInARow === 0 && !this.#stop.aborted) this.#forkNow();
  }

  /** What a job gives. @throws WorkerDied when the process ended, or did not answer in time and was ended */
  async embed(job: EmbedJob): Promise<EmbedReply> {
    const child = this.#child ?? (await this.#fork());
    this.#jobs += 1;
    try {
      const reply = await this.#ask(child, { id: this.#jobs, ...job });
      this.#deathsInARow = 0;
      return reply;
    } catch (error) {
      this.#deathsInARow += 1;
      throw error;
    }
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    if (child.connected) child.disconnect();
    const late = setTimeout(() => child.kill("SIGKILL"), 1000);
    await gone;
    clearTimeout(late);
  }

  async #fork(): Promise<ChildProcess> {
    if (this.#deathsInARow > 0) {
      const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#deathsInARow - 1), LONGEST_BACKOFF_MS);
      await sleep(backoffMs, undefined, { signal: this.#stop });
    }
    this.#stop.throwIfAborted();
    return this.#forkNow();
  }

  #forkNow(): ChildProcess {
    const child = fork(WORKER_FILE, { serialization: "advanced", execArgv: [] });
    child.on("error", (error) => this.#log.debug("embedding worker failed", { error }));
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#child = child;
    return child;
  }

  #ask(child: ChildProcess, request: EmbedRequest): Promise<EmbedReply> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => child.kill("SIGKILL"), this.#jobTimeoutMs);
      const settle = () => {
        clearTimeout(late);
        child.off("message", onReply);
        child.off("exit", onExit);
        child.off("error", onError);
      };
      const onReply = (reply: EmbedReply) => {
        if (reply.id !== request.id) return;
        settle();
        resolve(reply);
      };
      const onExit = (code: number | null, signal: string | null) => {
        settle();
        reject(new WorkerDied(`embedding worker ended by ${signal ?? `exit code ${code}`}`));
      };
      // A process that could not be started, or cannot be written to, may never say `exit`.
      const onError = (error: Error) => {
        settle();
        if (this.#child === child) this.#child = undefined;
        child.kill("SIGKILL");
        reject(new WorkerDied(`embedding worker failed: ${error.message}`));
      };
      child.on("message", onReply);
      child.once("exit", onExit);
      child.once("error", onError);
      child.send(request, (error) => error && onError(error));
    });
  }
}
