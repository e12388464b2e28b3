// The daemon's end of the feed: listens on `feed.sock`, which only root and the query user's group may open, and joins the one
// service that is connected with the news (tell-news.ts). A service that goes, hangs or lies costs answers, never the
// daemon: it is read line by line, within bounds, and whatever it says of stores that are not here is passed over.
import { chmod, chown } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { clearSocket } from "../../http/listen-on-socket.js";
import type { Logger } from "../../log.js";
import type { NewsTeller } from "../tell-news.js";
import { FeedConnection } from "./feed-connection.js";
import { type DaemonLine, FEED_VERSION, type ServiceHello, type ServiceLine, serviceLine } from "./feed-message.js";

export interface QueryFeedOptions {
  socketPath: string;
  user: { name: string; gid: number };
  /** Version of this program. */
  version: string;
  teller: NewsTeller;
  /** Whether the store is here: of others nothing is heard. */
  isKnown(store: string): boolean;
  log: Logger;
  /** Pause between two signs of life. Default 5000. */
  pingMs?: number;
}

/** What `status` says of the service. */
export interface FeedState {
  user: string;
  connected: boolean;
  /** Since when it is, or is not. */
  since: string;
  pid: number | null;
  version: string | null;
  /** Why it is not connected. */
  problem: string | null;
}

const PING_MS = 5000;
/** Of `pingMs`. A long look through an index holds the service's loop; so much is more than that. */
const SILENT_PINGS = 6;
/** Of `pingMs`: one that has said nothing for so long makes way for another. */
const DOUBTFUL_PINGS = 2;
const MOST_CONNECTIONS = 8;

type Connection = FeedConnection<ServiceLine, DaemonLine>;

export class QueryFeed {
  readonly #options: QueryFeedOptions;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #pings: NodeJS.Timeout | undefined;
  #service: { connection: Connection; hello: ServiceHello } | undefined;
  #since = new Date();
  #problem: string | null = "it has not connected yet";

  constructor(options: QueryFeedOptions) {
    this.#options = options;
  }

  /** @throws StoreError `in-use` if another process answers on the socket */
  async start(): Promise<void> {
    const { socketPath, user, pingMs = PING_MS } = this.#options;
    await clearSocket(socketPath);
    const server = createServer((socket) => void this.#serve(socket));
    server.maxConnections = MOST_CONNECTIONS;
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketPath, resolve);
    });
    // An accept that fails, for want of file descriptors, must not end the daemon.
    server.on("error", () => undefined);
    // The group first: none but root may open it until the mode says so.
    await chown(socketPath, process.geteuid?.() ?? 0, user.gid);
    await chmod(socketPath, 0o660);
    this.#since = new Date();
    this.#pings = setInterval(() => this.#service?.connection.send({ op: "ping" }), pingMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#pings);
    this.#options.teller.detach();
    const server = this.#server;
    if (!server?.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.end("the daemon stops");
    await closed;
  }

  state(): FeedState {
    const hello = this.#service?.hello;
    return {
      user: this.#options.user.name,
      connected: hello !== undefined,
      since: this.#since.toISOString(),
      pid: hello?.pid ?? null,
      version: hello?.version ?? null,
      problem: this.#problem,
    };
  }

  async #serve(socket: Socket): Promise<void> {
    const { log, pingMs = PING_MS } = this.#options;
    const connection: Connection = new FeedConnection({ socket, schema: serviceLine, silentMs: pingMs * SILENT_PINGS });
    this.#connections.add(connection);
    const why = await connection.read((line) => this.#take(connection, line));
    this.#connections.delete(connection);
    if (this.#service?.connection !== connection) {
      log.warn("a query service was refused", { reason: why });
      return;
    }
    this.#service = undefined;
    this.#since = new Date();
    this.#problem = why;
    this.#options.teller.detach();
    if (this.#server?.listening) log.warn("the query service is no longer connected", { reason: why });
  }

  #take(connection: Connection, line: ServiceLine): void {
    if (line.op === "hello") this.#greet(connection, line);
    else if (this.#service?.connection !== connection) connection.end("it did not say hello first");
    else if (line.op !== "pong" && this.#options.isKnown(line.store)) this.#options.teller.heard(line);
  }

  #greet(connection: Connection, hello: ServiceHello): void {
    const { version, teller, log } = this.#options;
    if (this.#service?.connection === connection) return;
    const reason = this.#refusal(hello);
    if (reason !== undefined) {
      connection.sendLast({ op: "refused", feed: FEED_VERSION, reason }, reason);
      return;
    }
    const before = this.#service?.connection;
    this.#service = { connection, hello };
    before?.end("another service has taken its place, because it says nothing");
    this.#since = new Date();
    this.#problem = null;
    log.info("the query service is connected", { pid: hello.pid, version: hello.version });
    connection.send({ op: "welcome", feed: FEED_VERSION, version, pid: process.pid });
    teller.attach((news) => connection.send(news));
  }

  #refusal({ feed, version }: ServiceHello): string | undefined {
    const { pingMs = PING_MS, version: own } = this.#options;
    if (feed !== FEED_VERSION) {
      return `the daemon (${own}) speaks version ${FEED_VERSION} of the feed, the query service (${version}) ${feed}: run both from one release, and restart the one that is older`;
    }
    const service = this.#service;
    if (!service || service.connection.silentForMs > pingMs * DOUBTFUL_PINGS) return undefined;
    return `another query service (pid ${service.hello.pid}) is connected, and there is one to a daemon`;
  }
}
