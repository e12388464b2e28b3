// One watching source's way to the ledger: a bounded queue in order, the comparison of states, and the events that tell
// what the source did not see (`gap`) or could not keep (`loss`). It never blocks the source, and drops nothing silently.
import { nowTimestamp } from "../../../shared/format/timestamp.js";
import type { Logger } from "../../../shared/log.js";
import { AdmitError } from "../../admit/admit-error.js";
import type { Admit } from "../../admit/admit-event.js";
import type { AdmittedEvent, EventSink } from "../../event.js";
import type { SourceState } from "../source.js";
import {
  type ElementChange,
  type FoundElement,
  type JsonObject,
  type NameChange,
  OBSERVED,
  type Unseen,
} from "./element-change.js";
import { comparableState, type KnownElements } from "./known-elements.js";
import { LossCount } from "./loss-count.js";

export interface ElementWriterOptions {
  /** The `source` of its entries, such as `dbus:systemd1`. */
  source: string;
  admit: Admit;
  sink: EventSink;
  known: KnownElements;
  log: Logger;
  /** Events that wait or are not acked yet, at the most. Default 8192. */
  maxQueuedEvents?: number;
  /** Bytes of their states, at the most. Default 16 MiB. */
  maxQueuedBytes?: number;
  /** How often what was lost is written, and how far it has seen is noted. Default 5000. */
  tickMs?: number;
}

/** The element that gap and loss events are about. */
export const SOURCE_TYPE = "Source";
/** Appends without their ack; the rest of the queue waits behind them. */
const MAX_UNACKED = 1024;

interface Queued {
  event: AdmittedEvent;
  bytes: number;
  state: string;
}

interface Blindness {
  /** Undefined at the start: since it was last seen. */
  from: string | undefined;
  reason: string;
}

export class ElementWriter {
  readonly #options: Required<ElementWriterOptions>;
  readonly #counts = { written: 0, unchanged: 0, coalesced: 0, gaps: 0, losses: 0 };
  readonly #loss: LossCount;
  /** States that are queued or on their way, newer than what `known` has. */
  readonly #pending = new Map<string, Queued>();
  #queue: Queued[] = [];
  /** Events at the head of the queue that are with the ledger already. */
  #sent = 0;
  #unacked = 0;
  #bytes = 0;
  #pumping: Promise<void> = Promise.resolve();
  #isPumping = false;
  #changed: (() => void)[] = [];
  #blindSince: Blindness | undefined;
  /** Blind once more since the comparison that runs began. */
  #blindAgain: Blindness | undefined;
  #isComparing = false;
  #seenOnceAcked: string | undefined;
  /** Codes of refusals that have been logged. */
  readonly #refusals = new Set<string>();
  #tick: NodeJS.Timeout | undefined;

  constructor(options: ElementWriterOptions) {
    this.#options = { maxQueuedEvents: 8192, maxQueuedBytes: 16 * 1024 * 1024, tickMs: 5000, ...options };
    this.#loss = new LossCount();
    this.#blindSince = { from: undefined, reason: "not running" };
  }

  start(): void {
    this.#tick = setInterval(() => this.#onTick(), this.#options.tickMs);
    this.#tick.unref();
  }

  /** Writes what was lost, waits for the acks of all that is queued. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#onTick();
    await this.flush();
    this.#noteSeen();
  }

  /** The element's state as last written, queued or read from the ledger; undefined when it has never been heard of. */
  last(elementId: string): JsonObject | undefined {
    const stateJson = this.#lastJson(elementId);
    return stateJson === undefined ? undefined : (JSON.parse(stateJson) as JsonObject);
  }

  /** Whether no element is there, by what the ledger knows and what is on its way to it. */
  isEmpty(): boolean {
    for (const { event, state } of this.#pending.values()) {
      if (event.elementType !== SOURCE_TYPE && state !== "{}") return false;
    }
    for (const { elementId, elementType } of this.#options.known.list(this.#options.source)) {
      if (elementType !== SOURCE_TYPE && this.#lastJson(elementId) !== "{}") return false;
    }
    return true;
  }

  /** Queues an event. False: there was no room or it was refused, and that is counted and will be told. */
  write(change: ElementChange): boolean {
    const admitted = this.#admit(change);
    return admitted !== undefined && this.#enqueue(admitted);
  }

  /** Queues an event unless the element's state is as it last was. */
  writeIfChanged(change: ElementChange): boolean {
    const admitted = this.#admit(change);
    if (!admitted) return false;
    if (admitted.state !== this.#lastJson(change.elementId)) return this.#enqueue(admitted);
    this.#counts.unchanged += 1;
    return true;
  }

  /** Something that should have become an event did not: it will be in the next loss event. */
  lost(reason: string, count = 1): void {
    this.#loss.lost(reason, count);
  }

  /** How much has been lost since the start. */
  get lostSoFar(): number {
    return this.#loss.lostSoFar;
  }

  /** Something that is not for us (forged, malformed): counted, and told in a loss event past a rate. */
  rejected(reason: string, count = 1): void {
    this.#loss.rejected(reason, count);
  }

  /** Signals that went into another one's event. */
  coalesced(count: number): void {
    this.#counts.coalesced += count;
  }

  /** From now on, or from an earlier time on, things happen unseen, until `resync` or `sighted`. */
  blind(reason: string, from = nowTimestamp()): void {
    const blind = { from, reason };
    this.#noteSeen(from);
    if (!this.#blindSince) this.#blindSince = blind;
    else if (this.#isComparing) this.#blindAgain ??= blind;
  }

  /** Sees again: writes the gap, if there was one. For sources that have no state to compare. */
  sighted(): Unseen | undefined {
    const unseen = this.#tellGap();
    this.#blindSince = undefined;
    this.#noteSeen();
    return unseen;
  }

  /**
   * Sees again, and this is the present: writes the gap, then what differs from what the ledger last knew, and what is
   * no longer there. Waits for room instead of dropping. Cut short, all until the next one is unseen.
   */
  async resync(present: Iterable<FoundElement> | AsyncIterable<FoundElement>, name: NameChange): Promise<void> {
    // What is still on its way is not in the list of known elements, and would be missed if it is gone by now.
    await this.flush();
    const unseen = this.#tellGap();
    this.#isComparing = true;
    this.#blindAgain = undefined;
    try {
      await this.#compare(present, name, unseen);
      this.#blindSince = this.#blindAgain;
    } finally {
      this.#isComparing = false;
    }
    this.#noteSeen();
  }

  async #compare(
    present: Iterable<FoundElement> | AsyncIterable<FoundElement>,
    name: NameChange,
    unseen: Unseen | undefined,
  ): Promise<void> {
    const change = unseen ? { unseen: { from: unseen.from, to: unseen.to } } : undefined;
    const there = new Set<string>();
    for await (const element of present) {
      there.add(element.elementId);
      const before = this.last(element.elementId);
      const action = before ? name(before, element.state, element.elementType) : OBSERVED;
      await this.room();
      this.writeIfChanged({ ...element, action, change: change ? { ...element.change, ...change } : element.change });
    }
    for (const { elementId, elementType } of this.#options.known.list(this.#options.source)) {
      const before = this.last(elementId) ?? {};
      if (there.has(elementId) || elementType === SOURCE_TYPE || Object.keys(before).length === 0) continue;
      await this.room();
      this.write({ elementId, elementType, state: {}, action: name(before, {}, elementType), change });
    }
  }

  /** Resolves when half of the queue is free. */
  async room(): Promise<void> {
    const { maxQueuedEvents, maxQueuedBytes } = this.#options;
    while (this.#queued > maxQueuedEvents / 2 || this.#bytes > maxQueuedBytes / 2) await this.#nextChange();
  }

  /** Resolves when all that is queued has its ack. */
  async flush(): Promise<void> {
    while (this.#queued > 0) await this.#nextChange();
    await this.#pumping;
  }

  state(): SourceState {
    const seen = this.#options.known.seenUntil(this.#options.source) ?? null;
    const watching = this.#blindSince === undefined;
    return { watching, seen_until: seen, ...this.#counts, queued: this.#queued, dropped: this.#loss.totals() };
  }

  get #queued(): number {
    return this.#queue.length - this.#sent + this.#unacked;
  }

  #lastJson(elementId: string): string | undefined {
    return this.#pending.get(elementId)?.state ?? this.#options.known.get(this.#options.source, elementId)?.stateJson;
  }

  #admit(elementChange: ElementChange): Queued | undefined {
    const { admit, source, log } = this.#options;
    const { elementId, elementType, action, actor, reason, priority, timestamp, state, change } = elementChange;
    const fields = { element_id: elementId, element_type: elementType, action, actor, reason, priority, timestamp };
    const line = Buffer.from(JSON.stringify({ ...fields, state_snapshot: change ? { ...state, change } : state }));
    try {
      const event = admit(line, { source });
      return { event, bytes: line.length, state: comparableState(event.stateJson) };
    } catch (error) {
      if (!(error instanceof AdmitError)) throw error;
      this.lost(`refused_${error.code}`);
      // Said once for each reason, and counted each time: a storm of such events must not fill the log.
      const level = this.#refusals.has(error.code) ? "debug" : "warn";
      this.#refusals.add(error.code);
      log[level]("event of a source refused", { source, element: elementId, code: error.code, error });
      return undefined;
    }
  }

  #enqueue(queued: Queued, { always = false } = {}): boolean {
    const { maxQueuedEvents, maxQueuedBytes } = this.#options;
    if (!always && (this.#queued >= maxQueuedEvents || this.#bytes + queued.bytes > maxQueuedBytes)) {
      this.lost("queue_full");
      return false;
    }
    this.#queue.push(queued);
    this.#bytes += queued.bytes;
    this.#pending.set(queued.event.elementId, queued);
    if (!this.#isPumping) this.#pumping = this.#pump();
    return true;
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      while (this.#sent < this.#queue.length) {
        for (let room = this.#options.sink.room(); room; room = this.#options.sink.room()) await room;
        while (this.#unacked >= MAX_UNACKED) await this.#nextChange();
        this.#append(this.#queue[this.#sent] as Queued);
        this.#sent += 1;
        // Taken off in blocks: a shift for each event costs the length of the queue.
        if (this.#sent >= MAX_UNACKED || this.#sent === this.#queue.length) this.#takeOff();
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #takeOff(): void {
    this.#queue.splice(0, this.#sent);
    this.#sent = 0;
  }

  #append(queued: Queued): void {
    this.#unacked += 1;
    this.#options.sink
      .append(queued.event)
      .then(
        () => {
          this.#counts.written += 1;
        },
        (error: Error & { code?: string }) => this.#notWritten(queued, error),
      )
      .finally(() => {
        this.#unacked -= 1;
        this.#bytes -= queued.bytes;
        // By the ack `known` has it, unless something newer is on its way.
        if (this.#pending.get(queued.event.elementId) === queued) this.#pending.delete(queued.event.elementId);
        if (this.#queued === 0) this.#noteAcked();
        for (const wake of this.#changed.splice(0)) wake();
      });
  }

  #notWritten({ event }: Queued, error: Error & { code?: string }): void {
    this.lost(`not_written_${error.code ?? "failed"}`);
    const { source, log } = this.#options;
    log.error("event of a source was not written", { source, element: event.elementId, error });
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  /** Queues the gap event. A source that has never been at work has none. */
  #tellGap(): Unseen | undefined {
    const blind = this.#blindSince;
    const from = blind?.from ?? this.#options.known.seenUntil(this.#options.source);
    if (!blind || from === undefined) return undefined;
    const unseen = { from, to: nowTimestamp() };
    this.#tell("gap", { ...unseen, reason: blind.reason });
    return unseen;
  }

  #onTick(): void {
    this.#noteSeen();
    const report = this.#loss.takeReport();
    if (report) this.#tell("loss", report);
  }

  /** Gap and loss events have a place in the queue whatever waits in it: there are few of them. */
  #tell(action: "gap" | "loss", state: JsonObject): void {
    this.#counts[action === "gap" ? "gaps" : "losses"] += 1;
    const { source, log } = this.#options;
    log.warn(action === "gap" ? "a time was not seen" : "events were lost", { source, ...state });
    const admitted = this.#admit({ elementId: `source:${source}`, elementType: SOURCE_TYPE, action, state });
    if (admitted) this.#enqueue(admitted, { always: true });
  }

  /** What happened until `timestamp` is in the ledger once all that waits now has its ack: a crash before is unseen time. */
  #noteSeen(timestamp = nowTimestamp()): void {
    if (this.#blindSince || this.#isComparing) return;
    this.#seenOnceAcked = timestamp;
    if (this.#queued === 0) this.#noteAcked();
  }

  #noteAcked(): void {
    if (this.#seenOnceAcked === undefined) return;
    this.#options.known.setSeenUntil(this.#options.source, this.#seenOnceAcked);
    this.#seenOnceAcked = undefined;
  }
}
