// One embedding process: forked when it is wanted, up once it has opened what it was told to, given one job at a time,
// replaced when it dies or has grown too large. It says of each job only done, died or model failed; what follows from that
// is decided by embed-jobs.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EmbedError } from "../../shared/embed/embed-error.js";
import type { EmbedderSpec } from "../../shared/embed/embedder.js";
import { type ForkedChild, forkChild } from "../../shared/fork-child.js";
import type { Logger } from "../../shared/log.js";
import type { EmbedJob, EmbedReply, EmbedRequest, FromWorker, ModelFailed } from "./embed-protocol.js";

const WORKER_FILE = fileURLToPath(new URL("./embed-worker.js", import.meta.url));
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 5000;

export interface WorkerOptions {
  log: Logger;
  /** A worker that says nothing for so long is ended. */
  jobTimeoutMs: number;
  /** The same for one that opens a model: it reads hundreds of megabytes. */
  openTimeoutMs: number;
  /** A worker that takes more memory is replaced between two jobs. */
  maxRssBytes: number;
  /** What a new process opens before it is up. */
  prepare: () => readonly EmbedderSpec[];
  stop: AbortSignal;
}

export interface WorkerTold {
  /** It is up or, having died on its way there, down. */
  changed(): void;
  /** It ended while it opened `space`. */
  diedOpening(space: string): void;
  opened(space: string): void;
  modelFailed(failure: ModelFailure): void;
  /** It was replaced because of its size. */
  outgrown(rssBytes: number): void;
}

/** The process ended, or did not answer in time and was ended. */
export class WorkerDied extends Error {
  /** It was opening a model: the job is not to blame. */
  readonly opening: string | undefined;
  constructor(reason: string, opening?: string) {
    super(reason);
    this.name = "WorkerDied";
    this.opening = opening;
  }
}

/** No worker can embed in `space`. */
export class ModelFailure extends EmbedError {
  readonly space: string;
  constructor({ space, code, message, hint }: ModelFailed["failed"]) {
    super(code, message, { hint });
    this.name = "ModelFailure";
    this.space = space;
  }
}

interface Running {
  child: ForkedChild;
  isUp: boolean;
  /** What it opens now. */
  opening: string | undefined;
  /** Once it was up. */
  firstRssBytes: number;
}

export class WorkerProcess {
  readonly #options: WorkerOptions;
  readonly #told: WorkerTold;
  #running: Running | undefined;
  #isStarting = false;
  #deathsInARow = 0;
  #jobs = 0;
  readonly #ending = new Set<Promise<void>>();

  constructor(options: WorkerOptions, told: WorkerTold) {
    this.#options = options;
    this.#told = told;
  }

  /** Of the running process, if there is one. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** `up` is ready for a job, `coming` will be soon. */
  get state(): "down" | "coming" | "up" {
    if (this.#running?.isUp) return "up";
    return this.#isStarting ? "coming" : "down";
  }

  /** Forks it, after a pause if it died lately. Whoever waits hears `changed`. */
  start(): void {
    if (this.state !== "down" || this.#options.stop.aborted) return;
    this.#isStarting = true;
    void this.#comeUp();
  }

  /**
   * What a job gives. Only for one that is up.
   *
   * @throws WorkerDied, ModelFailure
   */
  async embed(job: EmbedJob): Promise<EmbedReply> {
    const running = this.#running;
    if (!running?.isUp) throw new WorkerDied("embedding worker is not up");
    this.#jobs += 1;
    const id = this.#jobs;
    try {
      const reply = await this.#ask(running, { id, ...job }, isReplyTo(id));
      this.#deathsInARow = 0;
      if ("failed" in reply) throw new ModelFailure(reply.failed);
      this.#replaceIfOutgrown(running, reply.rssBytes);
      return reply;
    } catch (error) {
      if (error instanceof WorkerDied) this.#deathsInARow += 1;
      throw error;
    }
  }

  /** Another process, between two jobs: it opens what is to be prepared now. */
  replace(): void {
    if (this.state !== "up") return;
    this.#end();
    this.start();
  }

  async close(): Promise<void> {
    this.#end();
    await Promise.all(this.#ending);
  }

  async #comeUp(): Promise<void> {
    try {
      if (this.#deathsInARow > 0) await this.#pause();
      const running = this.#fork();
      const prepare = [...this.#options.prepare()];
      const ready = await this.#ask(running, { prepare }, isReady);
      running.isUp = true;
      running.firstRssBytes = ready.rssBytes;
      this.#warnIfTooLargeAtOnce(running);
    } catch (error) {
      this.#deathsInARow += 1;
      if (this.#options.stop.aborted) return;
      this.#options.log.warn("embedding worker did not come up", { error });
    } finally {
      this.#isStarting = false;
      this.#told.changed();
    }
  }

  async #pause(): Promise<void> {
    const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#deathsInARow - 1), LONGEST_BACKOFF_MS);
    await sleep(backoffMs, undefined, { signal: this.#options.stop });
  }

  #fork(): Running {
    const child = forkChild(WORKER_FILE);
    const running: Running = { child, isUp: false, opening: undefined, firstRssBytes: 0 };
    child.on("error", (error) => this.#options.log.debug("embedding worker failed", { error }));
    child.once("exit", () => {
      if (running.opening !== undefined) this.#told.diedOpening(running.opening);
      if (this.#running === running) this.#running = undefined;
    });
    child.on("message", (message: FromWorker) => this.#note(running, message));
    this.#running = running;
    return running;
  }

  #note(running: Running, message: FromWorker): void {
    if ("opening" in message) running.opening = message.opening;
    else if ("opened" in message) {
      running.opening = undefined;
      this.#told.opened(message.opened);
    } else if ("cacheLeftOut" in message) {
      this.#options.log.warn("vectors of known texts are made again: their cache cannot be used for now", {
        why: message.cacheLeftOut,
      });
    } else if ("failed" in message) {
      running.opening = undefined;
      if (message.id === undefined) this.#told.modelFailed(new ModelFailure(message.failed));
    }
  }

  /** A limit below what the models themselves take would have it replaced for ever. */
  #warnIfTooLargeAtOnce({ firstRssBytes }: Running): void {
    const { maxRssBytes, log } = this.#options;
    if (firstRssBytes <= maxRssBytes) return;
    log.warn("embedding worker takes more than vectorize.worker_memory before its first job: it is let grow by half", {
      rss_bytes: firstRssBytes,
      limit_bytes: maxRssBytes,
    });
  }

  #replaceIfOutgrown(running: Running, rssBytes: number): void {
    const { maxRssBytes, log } = this.#options;
    const most = running.firstRssBytes > maxRssBytes ? 1.5 * running.firstRssBytes : maxRssBytes;
    if (rssBytes <= most || this.#running !== running) return;
    log.warn("embedding worker has grown past vectorize.worker_memory and is replaced", {
      rss_bytes: rssBytes,
      limit_bytes: maxRssBytes,
    });
    this.#told.outgrown(rssBytes);
    this.replace();
  }

  #end(): void {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    // Its end is ours, not the model's that it may be opening.
    running.opening = undefined;
    const ending = endProcess(running.child);
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }

  /** Sends a request and waits for the message that answers it; the time runs anew when a model's opening begins or ends. */
  #ask<T extends FromWorker>(
    running: Running,
    request: EmbedRequest,
    isAnswer: (message: FromWorker) => message is T,
  ): Promise<T> {
    const { child } = running;
    const { jobTimeoutMs, openTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      let late: NodeJS.Timeout;
      const arm = (timeoutMs: number) => {
        clearTimeout(late);
        late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
      };
      const settle = () => {
        clearTimeout(late);
        child.off("message", onMessage);
        child.off("exit", onExit);
        child.off("error", onError);
      };
      const onMessage = (message: FromWorker) => {
        if (!isAnswer(message)) arm("opening" in message ? openTimeoutMs : jobTimeoutMs);
        else {
          settle();
          resolve(message);
        }
      };
      const onExit = (code: number | null, signal: string | null) => {
        settle();
        reject(new WorkerDied(`embedding worker ended by ${signal ?? `exit code ${code}`}`, running.opening));
      };
      // One that cannot be written to may never say `exit`.
      const onError = (error: Error) => {
        settle();
        if (this.#running === running) this.#running = undefined;
        child.kill("SIGKILL");
        reject(new WorkerDied(`embedding worker failed: ${error.message}`, running.opening));
      };
      arm(jobTimeoutMs);
      child.on("message", onMessage);
      child.once("exit", onExit);
      child.once("error", onError);
      child.send(request, (error) => error && onError(error));
    });
  }
}

type Answer = EmbedReply | ModelFailed;

function isReplyTo(id: number): (message: FromWorker) => message is Answer {
  return (message): message is Answer => "id" in message && message.id === id;
}

function isReady(message: FromWorker): message is Extract<FromWorker, { ready: true }> {
  return "ready" in message;
}

async function endProcess(child: ForkedChild): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.connected) child.disconnect();
  const late = setTimeout(() => child.kill("SIGKILL"), 1000);
  await gone;
  clearTimeout(late);
}
