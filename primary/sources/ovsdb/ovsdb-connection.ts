// One JSON-RPC connection to an OVSDB server (RFC 7047, section 4): requests with ids and time limits, notifications, the
// server's `echo` answered, and a link that has gone quiet probed with our own. Once it is lost, every call is rejected.
import { connect, type Socket } from "node:net";
import { nowTimestamp } from "../../../shared/format/timestamp.js";
import { OvsdbError } from "./ovsdb-error.js";
import type { OvsdbAddress } from "./parse-address.js";
import { parseMessage, type WireObject } from "./parse-message.js";
import { MessageSplitter } from "./split-messages.js";

export interface OvsdbConnectionOptions {
  address: OvsdbAddress;
  /** Called in order of arrival; a notification may come before the reply that came before it has been awaited. */
  onNotification(method: string, params: unknown): void;
  signal: AbortSignal;
  /** A link that was quiet for so long is probed, and lost when it stays quiet for as long again. Default 5000. */
  probeMs?: number;
  /** Time for connecting, and for each reply. Default 30,000. */
  timeoutMs?: number;
  /** Default 64 MiB. */
  maxMessageBytes?: number;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: OvsdbError): void;
  timer: NodeJS.Timeout;
}

/** Answers that may wait for a peer that does not read them. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export class OvsdbConnection {
  /** Resolves, never rejects, with the reason once the connection is gone, from whichever side. */
  readonly closed: Promise<OvsdbError>;
  readonly #options: Required<Omit<OvsdbConnectionOptions, "maxMessageBytes">>;
  readonly #socket: Socket;
  readonly #splitter: MessageSplitter;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #lastHeard = nowTimestamp();
  #heardSinceProbe = true;
  #isProbing = false;
  #probe: NodeJS.Timeout | undefined;
  #ended: OvsdbError | undefined;
  #resolveClosed: (reason: OvsdbError) => void = () => undefined;

  private constructor({ maxMessageBytes, ...options }: OvsdbConnectionOptions) {
    this.#options = { probeMs: 5000, timeoutMs: 30_000, ...options };
    this.#splitter = new MessageSplitter(maxMessageBytes === undefined ? {} : { maxMessageBytes });
    this.#socket = connect(this.#options.address);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** @throws OvsdbError `unreachable` */
  static async connect(options: OvsdbConnectionOptions): Promise<OvsdbConnection> {
    options.signal.throwIfAborted();
    const connection = new OvsdbConnection(options);
    const lost = await Promise.race([connection.#open(), connection.closed]);
    if (!lost) return connection;
    throw new OvsdbError("unreachable", `${where(options.address)} cannot be reached: ${lost.message}`, {
      cause: lost,
      hint: "is ovsdb-server running there, and may this user connect?",
    });
  }

  /** When bytes last came from the server, in stored form. */
  get lastHeard(): string {
    return this.#lastHeard;
  }

  /** The reply's `result`. @throws OvsdbError `refused-by-peer`, `no-reply`, or why the connection was lost */
  call(method: string, params: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      const id = this.#nextId++;
      const { timeoutMs } = this.#options;
      const timer = setTimeout(() => {
        this.#lose(new OvsdbError("no-reply", `${method} has had no answer for ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send({ method, params, id });
    });
  }

  close(): void {
    this.#lose(new OvsdbError("connection-lost", "the connection was closed from this side"));
  }

  #open(): Promise<undefined> {
    const { signal, probeMs, timeoutMs } = this.#options;
    const abort = () => this.close();
    signal.addEventListener("abort", abort, { once: true });
    void this.closed.then(() => signal.removeEventListener("abort", abort));
    const late = setTimeout(() => {
      this.#lose(new OvsdbError("no-reply", `connecting took more than ${timeoutMs} ms`));
    }, timeoutMs);
    void this.closed.then(() => clearTimeout(late));
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#socket.on("error", (cause) => this.#lose(new OvsdbError("connection-lost", cause.message, { cause })));
    this.#socket.on("close", () => this.#lose(new OvsdbError("connection-lost", "the server closed the connection")));
    return new Promise((resolve) => {
      this.#socket.once("connect", () => {
        clearTimeout(late);
        this.#probe = setInterval(() => this.#probeLink(), probeMs);
        resolve(undefined);
      });
    });
  }

  #take(chunk: Buffer): void {
    this.#lastHeard = nowTimestamp();
    this.#heardSinceProbe = true;
    try {
      for (const bytes of this.#splitter.push(chunk)) {
        if (this.#ended) return;
        this.#dispatch(parseMessage(bytes));
      }
    } catch (error) {
      this.#lose(asOvsdbError(error));
    }
  }

  #dispatch(message: WireObject): void {
    const { method, params, id } = message;
    if (typeof method !== "string") this.#settle(message);
    else if (id === undefined || id === null) this.#options.onNotification(method, params);
    else if (method === "echo") this.#send({ id, result: params, error: null });
    else this.#send({ id, result: null, error: "unknown method" });
  }

  #settle({ id, result, error }: WireObject): void {
    const waiting = typeof id === "number" ? this.#waiting.get(id) : undefined;
    // A reply to nobody is of no harm: RFC 7047 has errors with a null id for requests that could not be read.
    if (!waiting) return;
    this.#waiting.delete(id as number);
    clearTimeout(waiting.timer);
    if (error === null || error === undefined) waiting.resolve(result);
    else
      waiting.reject(new OvsdbError("refused-by-peer", `the server answered ${JSON.stringify(error).slice(0, 300)}`));
  }

  #send(message: WireObject): void {
    if (this.#ended) return;
    this.#socket.write(JSON.stringify(message));
    if (this.#socket.writableLength <= MAX_UNREAD_BYTES) return;
    this.#lose(new OvsdbError("connection-lost", "the server does not read its answers"));
  }

  #probeLink(): void {
    const isQuiet = !this.#heardSinceProbe;
    this.#heardSinceProbe = false;
    if (!isQuiet) this.#isProbing = false;
    // After what is there has been read: this process itself may have stood still, as a host does in its sleep.
    else if (this.#isProbing) setImmediate(() => this.#loseQuietLink());
    else {
      this.#isProbing = true;
      this.call("echo", []).catch(() => undefined);
    }
  }

  #loseQuietLink(): void {
    if (this.#heardSinceProbe) return;
    const { probeMs } = this.#options;
    this.#lose(new OvsdbError("connection-lost", `the server has not answered a probe for ${probeMs} ms`));
  }

  #lose(reason: OvsdbError): void {
    if (this.#ended) return;
    this.#ended = reason;
    clearInterval(this.#probe);
    this.#socket.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.#waiting.clear();
    this.#resolveClosed(reason);
  }
}

function where(address: OvsdbAddress): string {
  return "path" in address ? address.path : `${address.host} port ${address.port}`;
}

function asOvsdbError(error: unknown): OvsdbError {
  if (error instanceof OvsdbError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OvsdbError("bad-message", `a message could not be understood: ${message}`, { cause: error });
}
