// The Unix socket that takes JSON lines, one event or CloudEvents batch a line, and streams back one ack a line, in order. Blank lines count
// as lines and get no ack. Whoever may open the socket may write events: it has mode 0660.
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Logger } from "../../../shared/log.js";
import { type Admitter, MAX_PAYLOAD_BYTES } from "../../admit/admit-event.js";
import type { EventSink } from "../../event.js";
import type { Source, SourceState } from "../source.js";
import { SourceError } from "../source-error.js";
import { type ConnectionCounts, IngestConnection } from "./ingest-connection.js";

export interface IngestSocketOptions {
  /** At most 107 bytes: the kernel's limit. */
  path: string;
  admit: Admitter;
  sink: EventSink;
  log: Logger;
  /** Default: the largest payload's default and LINE_FRAME_BYTES. */
  maxLineBytes?: number;
  /** Events of one connection that are read and not acked. Default 8192. */
  maxUnacked?: number;
  /** How long a client may take to read its last acks once we stop. Default 2000. */
  stopGraceMs?: number;
}

/** A line is longer than its payload: the other fields, white space and escapes. */
export const LINE_FRAME_BYTES = 128 * 1024;
const SOCKET_MODE = 0o660;
const SOCKET_PATH_BYTES = 107;

export class IngestSocket implements Source {
  readonly name = "socket";
  readonly #options: IngestSocketOptions;
  readonly #connections = new Map<IngestConnection, Socket>();
  readonly #done: ConnectionCounts = { lines: 0, written: 0, duplicates: 0, refused: 0 };
  #server: Server | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: IngestSocketOptions) {
    this.#options = options;
  }

  /** @throws SourceError */
  async start(signal: AbortSignal): Promise<void> {
    const { path, log } = this.#options;
    signal.throwIfAborted();
    await makeWay(path);
    // Half-open: a client that has sent its last line still gets its acks.
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    await listen(server, path);
    this.#server = server;
    await chmod(path, SOCKET_MODE);
    signal.addEventListener("abort", () => void this.stop().catch(() => undefined), { once: true });
    log.info("ingest socket open", { path });
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  state(): SourceState {
    const sum = { ...this.#done };
    for (const { counts } of this.#connections.keys()) add(sum, counts);
    return { path: this.#options.path, connections: this.#connections.size, ...sum };
  }

  #accept(socket: Socket): void {
    const { admit, sink, log, maxLineBytes, maxUnacked } = this.#options;
    const connection = new IngestConnection(socket, {
      admit,
      context: { source: this.name },
      sink,
      maxLineBytes: maxLineBytes ?? MAX_PAYLOAD_BYTES + LINE_FRAME_BYTES,
      maxUnacked: maxUnacked ?? 8192,
    });
    this.#connections.set(connection, socket);
    connection.closed
      .catch((error: unknown) => log.error("ingest connection failed", { error }))
      .finally(() => {
        this.#connections.delete(connection);
        add(this.#done, connection.counts);
        log.debug("ingest connection closed", { ...connection.counts });
      });
  }

  async #close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    // The server unlinks its socket file when it closes.
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const grace = setTimeout(() => {
      for (const socket of this.#connections.values()) socket.destroy();
    }, this.#options.stopGraceMs ?? 2000);
    for (const connection of this.#connections.keys()) connection.stop();
    await Promise.allSettled([...this.#connections.keys()].map((connection) => connection.closed));
    await closed;
    clearTimeout(grace);
  }
}

/** Removes the socket file of a dead server. @throws SourceError when a live one or another file is there */
async function makeWay(path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw new SourceError("socket-path-too-long", `${path} has more than ${SOCKET_PATH_BYTES} bytes`, {
      hint: "choose a shorter socket path",
    });
  }
  // Asked here, because listen reports a missing folder as a missing permission.
  if (!(await lstat(dirname(path)).catch(() => undefined))) {
    throw new SourceError("socket-folder-missing", `the folder of ${path} is not there`, {
      hint: "make the folder, or choose another socket path",
    });
  }
  const there = await lstat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isSocket()) {
    throw new SourceError("not-a-socket", `${path} is there and is not a socket`, {
      hint: "remove it, or choose another",
    });
  }
  if (await answers(path)) {
    throw new SourceError("socket-in-use", `another process serves ${path}`, {
      hint: "stop it first, or choose another socket path",
    });
  }
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      // A live server with a full backlog (EAGAIN), or one we may not open (EACCES), is not dead.
      else if (error.code === "EAGAIN" || error.code === "EACCES") resolve(true);
      else reject(error);
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function add(sum: ConnectionCounts, counts: ConnectionCounts): void {
  sum.lines += counts.lines;
  sum.written += counts.written;
  sum.duplicates += counts.duplicates;
  sum.refused += counts.refused;
}
