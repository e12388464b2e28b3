// The daemon's end of the query process: forks it, joins it with the news (tell-news.ts), and starts another when it dies.
// What a dead one was told is told to the next, which has caught up with the disk by then. Queries never run in the daemon
// itself.
import { getPriority, setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ForkedChild, forkChild } from "../fork-child.js";
import type { Logger } from "../log.js";
import type { FromQueryProcess, QueryOptions, ToQueryProcess } from "./query-message.js";
import type { NewsTeller } from "./tell-news.js";

export interface QueryProcessOptions extends QueryOptions {
  /** Its news are for the process, and it hears what the process says. */
  teller: NewsTeller;
  log: Logger;
  /** Added to the nice value of the process and its children. A primary's queries give way to its ledger. */
  niceness?: number;
  /** Aborting it stops the process, as `stop()` does. */
  signal?: AbortSignal;
}

export interface QueryProcess {
  /** Resolves when the process and its children have ended. */
  stop(): Promise<void>;
}

/**
 * Resolves when the socket listens, with every store on disk caught up. A long catch-up, such as after the index was
 * deleted, does not hold the daemon up for more than a few seconds: until it is over `status` answers `ready: false`,
 * other queries are refused as `not-ready`, and the log says so.
 */
export async function startQueryProcess(options: QueryProcessOptions): Promise<QueryProcess> {
  const supervisor = new QuerySupervisor(options);
  await supervisor.start();
  return supervisor;
}

const CHILD = fileURLToPath(new URL("./query-main.js", import.meta.url));
/** A start waits this long for the first catch-up, and goes on without it. */
const CATCH_UP_WITHIN_MS = 3000;
const LEAST_DELAY_MS = 100;
const MOST_DELAY_MS = 10_000;
/** A process that ran for this long was well: the next delay is the least again. */
const WELL_AFTER_MS = 60_000;
/** A process that has not ended this long after it was asked to is killed. */
const STOP_MS = 10_000;

class QuerySupervisor implements QueryProcess {
  readonly #options: QueryProcessOptions;
  #child: ForkedChild | undefined;
  /** Whether `start` is over: until then a failure is its caller's affair. */
  #started = false;
  #stopped: Promise<void> | undefined;
  #delayMs = LEAST_DELAY_MS;
  #restart: NodeJS.Timeout | undefined;

  constructor(options: QueryProcessOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => void this.stop(), { once: true });
    const { log } = this.#options;
    const { listens, caughtUp } = this.#fork();
    try {
      // Two daemons may not share a socket: until the process has it, there is nothing to go on with.
      await Promise.race([listens, caughtUp]);
      const late = sleep(CATCH_UP_WITHIN_MS, "late", { ref: false });
      const isLate = (await Promise.race([caughtUp, late])) === "late";
      this.#started = true;
      if (!isLate) return;
    } catch (error) {
      await this.stop();
      throw error;
    }
    log.warn("queries are not answered yet: the index is catching up");
    this.#logOutcome(caughtUp);
  }

  #logOutcome(caughtUp: Promise<void>): void {
    const { log } = this.#options;
    caughtUp.then(
      () => log.info("queries are answered"),
      (error: unknown) => log.error("query process did not start", { error }),
    );
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#restart);
    this.#options.teller.detach();
    const child = this.#child;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.#send({ op: "stop" });
    const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(kill);
  }

  /** Both of a new process: `listens` resolves before `caughtUp`; what fails rejects `caughtUp` alone. */
  #fork(): { listens: Promise<void>; caughtUp: Promise<void> } {
    const { log, root, socketPath, indexProcesses, daemon } = this.#options;
    const child = forkChild(CHILD);
    const { niceness = 0 } = this.#options;
    if (niceness !== 0 && child.pid !== undefined) setPriority(child.pid, Math.min(19, getPriority() + niceness));
    const startedMs = Date.now();
    this.#child = child;
    child.on("error", (error) => log.error("query process cannot be reached", { error }));
    let onListening: () => void;
    const listens = new Promise<void>((resolve) => {
      onListening = resolve;
    });
    const caughtUp = new Promise<void>((resolve, reject) => {
      child.on("message", (message: FromQueryProcess) => {
        if (message.op === "listens") onListening();
        else if (message.op === "caught-up") {
          this.#options.teller.attach((news) => this.#send(news));
          resolve();
        } else if (message.op === "failed") {
          reject(Object.assign(new Error(message.message), { hint: message.hint }));
          child.kill("SIGKILL");
        } else this.#onMessage(message);
      });
      child.once("exit", (code, signal) => {
        this.#onExit(code, signal, Date.now() - startedMs);
        reject(new Error(`the query process ended before it had caught up (${signal ?? code})`));
      });
      this.#send({ op: "start", root, socketPath, indexProcesses, daemon });
    });
    return { listens, caughtUp };
  }

  #onMessage(message: Exclude<FromQueryProcess, { op: "listens" | "caught-up" | "failed" }>): void {
    if (message.op === "log") this.#options.log[message.level](message.message, message.fields);
    else this.#options.teller.heard(message);
  }

  #onExit(code: number | null, signal: string | null, ranMs: number): void {
    this.#options.teller.detach();
    // The first start fails for whoever called; after that, starting again is this object's own affair.
    if (this.#stopped || !this.#started) return;
    this.#delayMs = ranMs >= WELL_AFTER_MS ? LEAST_DELAY_MS : this.#delayMs;
    this.#options.log.error("query process ended, starting another", { code, signal, delay_ms: this.#delayMs });
    this.#restart = setTimeout(() => this.#logOutcome(this.#fork().caughtUp), this.#delayMs);
    this.#delayMs = Math.min(MOST_DELAY_MS, this.#delayMs * 2);
  }

  #send(message: ToQueryProcess): void {
    // A failure to send is followed by the process's exit, and that is handled.
    if (this.#child?.connected) this.#child.send(message, () => {});
  }
}
