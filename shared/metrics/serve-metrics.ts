// Serves a daemon's metrics: GET /metrics on a Unix socket always, and on TCP where the configuration says so. Metrics
// must never take a daemon down: a port that is taken is logged, shown in `status`, and tried again.
import { chmod } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ListenAddress } from "../config/listen-address.js";
import { clearSocket } from "../http/listen-on-socket.js";
import type { Logger } from "../log.js";

export interface MetricsServerOptions {
  socketPath: string;
  /** Undefined: no TCP. */
  listen: ListenAddress | undefined;
  /** The text of one scrape. */
  page: () => Promise<string>;
  log: Logger;
  /** Pause before a port that was taken is tried again. Default 5000. */
  retryMs?: number;
}

/** What `status` says of the TCP port; null where none is asked for. */
export type MetricsState = { listen: string; listening: boolean; problem: string | null } | null;

export const METRICS_PATH = "/metrics";
/** The text format of Prometheus, as prom-client writes it. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Owner and group, as for the questions on query.sock: names of hosts and sources are in the labels. */
const SOCKET_MODE = 0o660;
const MOST_CONNECTIONS = 32;
const HEADERS_WITHIN_MS = 10_000;
const RETRY_MS = 5_000;

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  #onSocket: Server | undefined;
  #onTcp: Server | undefined;
  #retry: NodeJS.Timeout | undefined;
  #problem: string | null = null;
  #stopped = false;
  #scrape: Promise<string> | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
  }

  /** @throws StoreError `in-use` if another process answers on the socket */
  async start(): Promise<void> {
    const { socketPath, listen } = this.#options;
    await clearSocket(socketPath);
    this.#onSocket = this.#makeServer();
    await listenOn(this.#onSocket, { path: socketPath });
    await chmod(socketPath, SOCKET_MODE);
    if (listen) await this.#listenOnTcp(listen);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await Promise.all([this.#onSocket, this.#onTcp].map(close));
  }

  state(): MetricsState {
    const { listen } = this.#options;
    return listen ? { listen: listen.text, listening: this.#onTcp !== undefined, problem: this.#problem } : null;
  }

  async #listenOnTcp(listen: ListenAddress): Promise<void> {
    const { log, retryMs = RETRY_MS } = this.#options;
    const server = this.#makeServer();
    try {
      await listenOn(server, { host: listen.host, port: listen.port });
      if (this.#stopped) return close(server);
      this.#onTcp = server;
      this.#problem = null;
      log.info("metrics are served", { listen: listen.text });
    } catch (error) {
      const problem = (error as Error).message;
      // Told once: it is tried again for as long as the daemon runs.
      if (problem !== this.#problem) log.error("metrics are not served on TCP yet", { listen: listen.text, error });
      this.#problem = problem;
      if (!this.#stopped) this.#retry = setTimeout(() => void this.#listenOnTcp(listen), retryMs);
    }
  }

  #makeServer(): Server {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.maxConnections = MOST_CONNECTIONS;
    server.headersTimeout = HEADERS_WITHIN_MS;
    server.on("clientError", (_error, socket) => socket.destroy());
    return server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What it might still send is not read: nothing that is served here takes a body.
    request.resume();
    if (request.method !== "GET") return end(response.setHeader("allow", "GET"), 405, "only GET\n");
    if (request.url?.split("?")[0] !== METRICS_PATH) return end(response, 404, `there is ${METRICS_PATH} only\n`);
    try {
      const text = await this.#scrapeOnce();
      end(response, 200, text, CONTENT_TYPE);
    } catch (error) {
      this.#options.log.error("metrics could not be read", { error });
      end(response, 500, "the metrics could not be read; the log says why\n");
    }
  }

  /** Who asks while another scrape runs gets the same answer: many who ask cost no more than one. */
  #scrapeOnce(): Promise<string> {
    this.#scrape ??= this.#options.page().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }
}

function end(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) }).end(text);
}

function listenOn(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      // An accept that fails, for want of file descriptors, must not end the daemon.
      server.on("error", () => undefined);
      resolve();
    });
  });
}

async function close(server: Server | undefined): Promise<void> {
  if (!server?.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
