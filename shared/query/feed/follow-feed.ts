// The service's end of the feed: connects to the daemon, again and again where it must, and does what the daemon says. Each
// time it looks by itself for what was promoted meanwhile. Without a feed the service goes on answering what it has.
import { connect, type Socket } from "node:net";
import { keepRunning } from "../../keep-running.js";
import type { Logger } from "../../log.js";
import type { QueryEngine } from "../engine.js";
import type { Promoted } from "../query-message.js";
import { takeNews } from "../take-news.js";
import { FeedConnection } from "./feed-connection.js";
import { type DaemonLine, daemonLine, FEED_VERSION, type ServiceLine } from "./feed-message.js";

export interface FeedFollowerOptions {
  socketPath: string;
  engine: Pick<QueryEngine, "promoted" | "setPrimaryHead" | "catchUp">;
  /** Version of this program. */
  version: string;
  log: Logger;
  /** A daemon that says nothing for so long is given up. Default 30 000. */
  silentMs?: number;
  /** Longest wait before it connects again. Default 10 000. */
  mostDelayMs?: number;
}

/** Whether this service hears of promotions. */
export interface FollowedFeed {
  connected: boolean;
  /** For how long it is, or is not. */
  forMs: number;
  /** Why it is not. */
  problem: string | null;
}

const SILENT_MS = 30_000;
const LEAST_DELAY_MS = 100;
const MOST_DELAY_MS = 10_000;

type Connection = FeedConnection<DaemonLine, ServiceLine>;

export class FeedFollower {
  readonly #options: FeedFollowerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #connected = false;
  #sinceMs = performance.now();
  #problem: string | null = "it has not connected yet";

  constructor(options: FeedFollowerOptions) {
    this.#options = options;
  }

  start(): void {
    const { mostDelayMs = MOST_DELAY_MS } = this.#options;
    this.#running = keepRunning((signal) => this.#follow(signal), {
      signal: this.#stopping.signal,
      onEnd: (error, delayMs) => this.#lost(error?.message ?? "it has ended", delayMs),
      leastDelayMs: LEAST_DELAY_MS,
      mostDelayMs,
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  state(): FollowedFeed {
    return { connected: this.#connected, forMs: performance.now() - this.#sinceMs, problem: this.#problem };
  }

  /** Rejects with the reason for which it is over. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { socketPath, version, silentMs = SILENT_MS } = this.#options;
    const connection: Connection = new FeedConnection({
      socket: await connectTo(socketPath),
      schema: daemonLine,
      silentMs,
    });
    const onAbort = () => connection.end("the service stops");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    connection.send({ op: "hello", feed: FEED_VERSION, version, pid: process.pid });
    let refusal: string | undefined;
    const why = await connection.read((line) => {
      if (line.op !== "refused") return this.#take(connection, line);
      refusal = line.reason;
      // Nobody will tell this one of promotions, and nobody else answers.
      if (line.feed !== FEED_VERSION) this.#lookByItself(() => undefined);
    });
    signal.removeEventListener("abort", onAbort);
    throw new Error(refusal ?? why);
  }

  #take(connection: Connection, line: Exclude<DaemonLine, { op: "refused" }>): void {
    if (line.op === "ping") connection.send({ op: "pong" });
    else if (line.op === "welcome") this.#welcomed(connection, line);
    else void takeNews(this.#options.engine, line, (answer) => connection.send(answer));
  }

  #welcomed(connection: Connection, { feed, version, pid }: DaemonLine & { op: "welcome" }): void {
    if (feed !== FEED_VERSION) {
      connection.end(`the daemon (${version}) speaks version ${feed} of the feed, this is ${FEED_VERSION}`);
      return;
    }
    this.#connected = true;
    this.#sinceMs = performance.now();
    this.#problem = null;
    this.#options.log.info("connected to the daemon", { pid, version });
    this.#lookByItself((store, answered) => connection.send({ op: "answered", store, ...answered }));
  }

  #lookByItself(onAnswered: (store: string, answered: Promoted) => void): void {
    const { engine, log } = this.#options;
    engine.catchUp(onAnswered).catch((error: unknown) => log.warn("the stores cannot be read yet", { error }));
  }

  /** Told once for each reason: a daemon may be away for days. */
  #lost(problem: string, delayMs: number): void {
    if (this.#connected) this.#sinceMs = performance.now();
    const level = this.#connected || problem !== this.#problem ? "warn" : "debug";
    this.#connected = false;
    this.#problem = problem;
    this.#options.log[level]("not connected to the daemon", { reason: problem, delay_ms: Math.round(delayMs) });
  }
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
