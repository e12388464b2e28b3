// Sends lines to the ingest socket for as long as it takes: a line is held until it is acked, and sent again over the next
// connection when this one breaks or the primary could not write it. Every line must have a key, or it may be written
// twice. What is held is bounded; whoever sends waits.
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type AckLine, eventsOf } from "./format-ack.js";
import { connectError } from "./ingest-client.js";
import { LineSplitter, TOO_LONG } from "./split-lines.js";

export interface HeldLine {
  /** Without its newline; neither blank nor longer than the primary may ever take. */
  bytes: Buffer;
  /** Where it comes from, for the caller. */
  offset: number;
}

export interface LineSenderOptions {
  socketPath: string;
  /** Called for each line in order, once it is done: kept, or refused for good. */
  onDone: (line: HeldLine, ack: AckLine) => void;
  /** The connection was lost, or could not be made; the message is the reason. Said once until it stands again. */
  onAway: (error: Error) => void;
  onBack: () => void;
  /** Ends the waits of `send`; what is held then is still sent, until `stop`. */
  signal: AbortSignal;
  maxHeldLines?: number;
  maxHeldBytes?: number;
  /** First pause before another try; it doubles up to 40 times of that, with jitter. Default 250. */
  retryMs?: number;
}

const MAX_ACK_BYTES = 64 * 1024 * 1024;
/** The primary did not take the line, and will after its restart. */
const PASSING: ReadonlySet<string> = new Set(["closed", "write-failed"]);

export class LineSender {
  readonly #options: Required<LineSenderOptions>;
  readonly #stopping = new AbortController();
  #held: HeldLine[] = [];
  #heldBytes = 0;
  /** Of the lines held, those sent over the present connection. */
  #sent = 0;
  #socket: Socket | undefined;
  #running: Promise<void> | undefined;
  #wake: (() => void)[] = [];

  constructor(options: LineSenderOptions) {
    this.#options = { maxHeldLines: 4096, maxHeldBytes: 8 * 1024 * 1024, retryMs: 250, ...options };
  }

  /** Lines without their ack. */
  get unacked(): number {
    return this.#held.length;
  }

  start(): void {
    this.#options.signal.addEventListener("abort", () => this.#changed(), { once: true });
    this.#running = this.#run();
  }

  /** Holds the line and sends it when it can; waits while the bound is reached. A line that comes after the signal is not held. */
  async send(line: HeldLine): Promise<void> {
    const { signal } = this.#options;
    while (this.#isFull() && !signal.aborted) await this.#change();
    if (signal.aborted) return;
    this.#held.push(line);
    this.#heldBytes += line.bytes.length;
    this.#pump();
  }

  /** Waits for the acks outstanding as long as the connection stands, then lets go. Returns how many lines have none. */
  async stop(): Promise<number> {
    while (this.#held.length > 0 && this.#socket) await this.#change();
    this.#stopping.abort();
    this.#socket?.destroy();
    await this.#running;
    return this.#held.length;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { socketPath, onAway, onBack, retryMs } = this.#options;
    let away = false;
    let failures = 0;
    while (!signal.aborted) {
      try {
        this.#socket = await open(socketPath, signal);
        if (away) onBack();
        away = false;
        if ((await this.#serve(this.#socket)) > 0) failures = 0;
        throw new Error("the primary closed the connection");
      } catch (error) {
        this.#socket = undefined;
        this.#sent = 0;
        this.#changed();
        if (signal.aborted) return;
        if (!away) onAway(error as Error);
        away = true;
      }
      const pauseMs = Math.min(retryMs * 40, retryMs * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Until the connection ends. Returns how many lines were done over it. */
  async #serve(socket: Socket): Promise<number> {
    const splitter = new LineSplitter(MAX_ACK_BYTES);
    let done = 0;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.on("drain", () => this.#pump());
    socket.on("data", (chunk: Buffer) => {
      for (const text of splitter.push(chunk)) {
        if (socket.destroyed) return;
        if (text !== TOO_LONG && this.#takeAck(text.toString("utf8"))) done += 1;
        else socket.destroy();
      }
    });
    this.#changed();
    this.#pump();
    await closed;
    return done;
  }

  #pump(): void {
    const socket = this.#socket;
    while (socket && !socket.destroyed && !socket.writableNeedDrain && this.#sent < this.#held.length) {
      const { bytes } = this.#held[this.#sent] as HeldLine;
      socket.write(Buffer.concat([bytes, NEWLINE]));
      this.#sent += 1;
    }
  }

  /** False: the line has to be sent again, and this connection is of no more use. */
  #takeAck(text: string): boolean {
    const line = this.#held[0];
    const ack = parseAck(text);
    if (!line || !ack || this.#sent === 0) return false;
    if (eventsOf(ack).some((event) => "error" in event && PASSING.has(event.error.code))) return false;
    this.#held.shift();
    this.#heldBytes -= line.bytes.length;
    this.#sent -= 1;
    this.#options.onDone(line, ack);
    this.#changed();
    return true;
  }

  #isFull(): boolean {
    const { maxHeldLines, maxHeldBytes } = this.#options;
    return this.#held.length >= maxHeldLines || this.#heldBytes >= maxHeldBytes;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
    });
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function parseAck(text: string): AckLine | undefined {
  try {
    return JSON.parse(text) as AckLine;
  } catch {
    return undefined;
  }
}

const NEWLINE = Buffer.from("\n");

function open(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const stop = () => socket.destroy(new Error("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => reject(connectError(path, error)));
    socket.once("close", () => signal.removeEventListener("abort", stop));
  });
}
