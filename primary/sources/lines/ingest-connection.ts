// One client of the ingest socket: lines in, one ack a line out, in order. Three bounds keep its memory flat: reading
// waits for the ledger's room, for the acks outstanding, and for the client to read its acks. A client that vanishes
// loses its acks, never an event that was read.
import type { Socket } from "node:net";
import { AdmitError } from "../../admit/admit-error.js";
import type { AdmitContext, Admitter } from "../../admit/admit-event.js";
import type { Ack, AdmittedEvent, EventSink } from "../../event.js";
import { formatAck, formatBatchAck, formatRefusal } from "./format-ack.js";
import { type BatchItem, readLine } from "./read-line.js";
import { isBlank, LineSplitter, type SplitLine, TOO_LONG } from "./split-lines.js";

export interface ConnectionOptions {
  admit: Admitter;
  context: AdmitContext;
  sink: EventSink;
  maxLineBytes: number;
  /** Events that are read and not acked; those of one batch may come on top. */
  maxUnacked: number;
}

/** Lines, blank ones included, and what became of their events. */
export interface ConnectionCounts {
  lines: number;
  written: number;
  duplicates: number;
  refused: number;
}

/** The place of one answer in the order of lines; `text` once it is known. */
interface Slot {
  line: number;
  /** Events that the line holds. */
  events: number;
  text: string | undefined;
}

export class IngestConnection {
  readonly counts: ConnectionCounts = { lines: 0, written: 0, duplicates: 0, refused: 0 };
  /** Resolves when the socket is closed and every event read from it has its answer. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #splitter: LineSplitter;
  #slots: Slot[] = [];
  /** Events of all slots. */
  #unacked = 0;
  #flushScheduled = false;
  #stopping = false;
  #wake: (() => void) | undefined;
  #stopRequested: () => void = () => undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    this.closed = this.#serve();
  }

  /** Reads no further line; the answers outstanding are still sent, then the connection ends. */
  stop(): void {
    this.#stopping = true;
    this.#socket.pause();
    this.#flush();
    this.#stopRequested();
  }

  async #serve(): Promise<void> {
    const socket = this.#socket;
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("drain", () => this.#flush());
    // What fails here (EPIPE, ECONNRESET) is a client that left; `close` follows.
    socket.on("error", () => this.#wakeUp());
    socket.on("close", () => this.#flush());
    let reading = Promise.resolve();
    socket.on("data", (chunk) => {
      socket.pause();
      reading = this.#readChunk(chunk as Buffer).then(() => {
        if (!this.#stopping) socket.resume();
      });
    });
    const ended = new Promise<void>((resolve) => {
      socket.once("end", resolve);
      this.#stopRequested = resolve;
    });
    await Promise.race([ended, gone]);
    await reading;
    if (!socket.destroyed && !this.#stopping) {
      const last = this.#splitter.end();
      if (last !== undefined) await this.#take(last);
    }
    while (this.#slots.length > 0) await this.#wait();
    // Destroyed, because a client that we stop reading from would keep its half open.
    if (!socket.destroyed) socket.end(() => socket.destroy());
    await gone;
  }

  async #readChunk(chunk: Buffer): Promise<void> {
    for (const line of this.#splitter.push(chunk)) {
      if (this.#stopping) return;
      const held = this.#take(line);
      if (held) await held;
    }
  }

  /** Answers or appends one line. A promise means: read no further before it resolves. */
  #take(line: SplitLine): Promise<void> | undefined {
    this.counts.lines += 1;
    if (line !== TOO_LONG && isBlank(line)) return undefined;
    const slot: Slot = { line: this.counts.lines, events: 1, text: undefined };
    this.#slots.push(slot);
    this.#unacked += 1;
    try {
      if (line === TOO_LONG) throw tooLong(this.#options.maxLineBytes);
      const event = readLine(this.#options.admit, line, this.#options.context);
      if (Array.isArray(event))
        return this.#takeBatch(event, slot).catch((error: unknown) => this.#refuse(slot, error));
      const room = this.#options.sink.room();
      if (room) {
        return this.#waitForRoom(room).then(
          () => this.#append(event, slot),
          (error: unknown) => this.#refuse(slot, error),
        );
      }
      this.#append(event, slot);
    } catch (error) {
      this.#refuse(slot, error);
    }
    return this.#mustWait() ? this.#waitForClient() : undefined;
  }

  /** Every event of a batch is admitted or refused for itself; the answer tells of each. */
  async #takeBatch(items: readonly BatchItem[], slot: Slot): Promise<void> {
    slot.events = Math.max(1, items.length);
    this.#unacked += slot.events - 1;
    const results: Promise<Ack | Error>[] = [];
    for (const item of items) {
      const room = this.#options.sink.room();
      if (room) await this.#waitForRoom(room);
      results.push(item instanceof AdmitError ? Promise.resolve(item) : this.#appendItem(item));
    }
    const answered = Promise.all(results).then((all) => {
      for (const result of all) this.#count(result);
      this.#answer(slot, formatBatchAck(slot.line, all));
    });
    answered.catch((error: unknown) => this.#refuse(slot, error));
    if (this.#mustWait()) await this.#waitForClient();
  }

  async #appendItem(event: AdmittedEvent): Promise<Ack | Error> {
    try {
      return await this.#options.sink.append(event);
    } catch (error) {
      return error as Error;
    }
  }

  #count(result: Ack | Error): void {
    if (result instanceof Error) this.counts.refused += 1;
    else this.counts[result.duplicate ? "duplicates" : "written"] += 1;
  }

  /** The ledger may fill again before it is our turn, so the question is asked until the answer is yes. */
  async #waitForRoom(room: Promise<void>): Promise<void> {
    for (let next: Promise<void> | undefined = room; next; next = this.#options.sink.room()) await next;
  }

  #append(event: AdmittedEvent, slot: Slot): void {
    this.#options.sink.append(event).then(
      (ack) => {
        this.#count(ack);
        this.#answer(slot, formatAck(slot.line, ack));
      },
      (error: unknown) => this.#refuse(slot, error),
    );
  }

  #refuse(slot: Slot, error: unknown): void {
    this.counts.refused += 1;
    this.#answer(slot, formatRefusal(slot.line, error));
  }

  #answer(slot: Slot, text: string): void {
    slot.text = text;
    if (this.#flushScheduled || this.#slots[0]?.text === undefined) return;
    // The acks of one group commit resolve one after another in this turn: one write for all of them.
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const gone = this.#socket.destroyed || !this.#socket.writable;
    // A client that does not read its acks is not read from either; when stopping, the last acks are handed over anyway.
    if (!gone && this.#socket.writableNeedDrain && !this.#stopping) return;
    let known = 0;
    let text = "";
    while (known < this.#slots.length) {
      const { text: answer, events } = this.#slots[known] as Slot;
      if (answer === undefined) break;
      text += answer;
      known += 1;
      this.#unacked -= events;
    }
    if (known > 0) this.#slots = this.#slots.slice(known);
    if (!gone && text !== "") this.#socket.write(text);
    this.#wakeUp();
  }

  #mustWait(): boolean {
    if (this.#unacked >= this.#options.maxUnacked) return true;
    return !this.#stopping && !this.#socket.destroyed && this.#socket.writableNeedDrain;
  }

  async #waitForClient(): Promise<void> {
    while (this.#mustWait()) await this.#wait();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function tooLong(maxLineBytes: number): AdmitError {
  return new AdmitError("line-too-long", {
    reason: `the line has more than ${maxLineBytes} bytes`,
    hint: "send what changed, not everything, or raise admit.max_payload_bytes",
  });
}
