// One end of the feed: bounded JSON lines out and in. It ends when the other side goes, sends what is not of the feed, says
// nothing for long, or does not read what it is sent; nothing is ever held for it without bound.
import type { Socket } from "node:net";
import type { z } from "zod";

export interface FeedConnectionOptions<Received> {
  socket: Socket;
  schema: z.ZodType<Received>;
  /** The other side says something more often than this, or is given up. */
  silentMs: number;
}

const MOST_LINE_BYTES = 64 * 1024;
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

export class FeedConnection<Received, Sent> {
  readonly #options: FeedConnectionOptions<Received>;
  #rest = Buffer.alloc(0);
  #heardAtMs = performance.now();
  #why = "the other side has gone";

  constructor(options: FeedConnectionOptions<Received>) {
    this.#options = options;
  }

  /** For how long the other side has said nothing. */
  get silentForMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /** Calls `onLine` with each line, in order. Resolves when the connection is over, with the reason in words. */
  async read(onLine: (line: Received) => void): Promise<string> {
    const { socket, silentMs } = this.#options;
    const watch = setInterval(() => {
      if (this.silentForMs > silentMs) this.end(`the other side has said nothing for ${Math.round(silentMs / 1000)} s`);
    }, silentMs / 4);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", (error) => this.end(error.message));
    socket.on("end", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => this.#take(chunk, onLine));
    await closed;
    clearInterval(watch);
    return this.#why;
  }

  send(line: Sent): void {
    const { socket } = this.#options;
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(`${JSON.stringify(line)}\n`);
    if (socket.writableLength > MOST_UNREAD_BYTES) this.end("the other side does not read");
  }

  /** Sends a last line, and ends once it is on its way. */
  sendLast(line: Sent, why: string): void {
    this.#why = why;
    this.#options.socket.end(`${JSON.stringify(line)}\n`);
  }

  end(why: string): void {
    if (this.#options.socket.destroyed) return;
    this.#why = why;
    this.#options.socket.destroy();
  }

  #take(chunk: Buffer, onLine: (line: Received) => void): void {
    this.#heardAtMs = performance.now();
    let rest = Buffer.concat([this.#rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      if (line.length > MOST_LINE_BYTES || !this.#pass(line, onLine)) this.end("it sent what is not of the feed");
      if (this.#options.socket.destroyed) return;
    }
    this.#rest = rest;
    if (rest.length > MOST_LINE_BYTES) this.end("it sent a line without an end");
  }

  #pass(line: Buffer, onLine: (line: Received) => void): boolean {
    const parsed = this.#options.schema.safeParse(parseJson(line));
    if (parsed.success) onLine(parsed.data);
    return parsed.success;
  }
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
}
