// One subscriber of the bus: its own bounded queue and its own delivery, a batch at a time. Nothing that it does, be it
// slow, stuck or failing, reaches the ledger or another subscriber; only one that asked to be waited for holds up sources.
import type { Logger } from "../../shared/log.js";
import type { AppendedEvent, EventSubscription, LostEvents, SubscribeOptions } from "../event.js";
import { EventQueue, sizeOf } from "./event-queue.js";

export interface SubscriberState {
  name: string;
  when_full: "wait" | "drop";
  queued_events: number;
  queued_bytes: number;
  delivered: number;
  lost: number;
  failures: number;
}

const MAX_BATCH_EVENTS = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

export class Subscription implements EventSubscription {
  readonly options: SubscribeOptions;
  readonly #log: Logger;
  readonly #onClosed: (subscription: Subscription) => void;
  readonly #queue: EventQueue;
  readonly #counts = { delivered: 0, lost: 0, failures: 0 };
  #lost: LostEvents | undefined;
  #delivering = false;
  #closed = false;
  #roomWaiters: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];

  constructor(options: SubscribeOptions, log: Logger, onClosed: (subscription: Subscription) => void) {
    this.options = options;
    this.#log = log;
    this.#onClosed = onClosed;
    this.#queue = new EventQueue({ maxEvents: options.maxQueuedEvents, maxBytes: options.maxQueuedBytes });
  }

  /** Undefined unless sources must wait for this subscriber now. */
  room(): Promise<void> | undefined {
    if (this.options.whenFull !== "wait" || this.#closed || !this.#queue.full) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** The next events in the order of the ledger. Never throws, never waits. */
  offer(events: readonly AppendedEvent[]): void {
    if (this.#closed) return;
    for (const event of events) {
      this.#queue.push(event);
      if (this.options.whenFull === "drop") this.#dropOldest();
    }
    this.#planDelivery();
  }

  /** Events that can't be had any more, all before the next ones offered. */
  miss(firstSeq: number, lastSeq: number): void {
    this.#counts.lost += lastSeq - firstSeq + 1;
    this.#lost = { firstSeq: this.#lost?.firstSeq ?? firstSeq, lastSeq };
  }

  /** Sources that wait for this subscriber go on, and ask again. */
  release(): void {
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }

  drained(): Promise<void> {
    if (!this.#delivering) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.clear();
    this.release();
    this.#onClosed(this);
  }

  state(): SubscriberState {
    const { name, whenFull } = this.options;
    const { length, bytes } = this.#queue;
    return { name, when_full: whenFull, queued_events: length, queued_bytes: bytes, ...this.#counts };
  }

  /** The oldest, so that what is lost lies in one piece before all that is still to come. */
  #dropOldest(): void {
    while (this.#queue.overfull) {
      const event = this.#queue.shift() as AppendedEvent;
      this.miss(event.seq, event.seq);
    }
  }

  #planDelivery(): void {
    if (this.#delivering || (this.#queue.length === 0 && !this.#lost)) return;
    this.#delivering = true;
    // Behind the acks of these events.
    setImmediate(() => void this.#deliverAll());
  }

  async #deliverAll(): Promise<void> {
    while (!this.#closed && (this.#queue.length > 0 || this.#lost)) {
      const lost = this.#lost;
      const events = this.#takeBatch();
      this.#lost = undefined;
      await this.#deliver(events, lost);
    }
    this.#delivering = false;
    for (const wake of this.#drainWaiters.splice(0)) wake();
  }

  async #deliver(events: AppendedEvent[], lost: LostEvents | undefined): Promise<void> {
    try {
      await this.options.deliver(events, lost);
      this.#counts.delivered += events.length;
    } catch (error) {
      this.#failed(error as Error);
    }
    this.#wakeSources();
  }

  #takeBatch(): AppendedEvent[] {
    const events: AppendedEvent[] = [];
    let bytes = 0;
    while (events.length < MAX_BATCH_EVENTS && bytes < MAX_BATCH_BYTES) {
      const event = this.#queue.shift();
      if (!event) break;
      events.push(event);
      bytes += sizeOf(event);
    }
    return events;
  }

  /** Logged when their number doubles: one that always fails must not fill the log. */
  #failed(error: Error): void {
    this.#counts.failures += 1;
    const { failures } = this.#counts;
    if ((failures & (failures - 1)) === 0) {
      this.#log.error("a subscriber failed", { subscriber: this.options.name, failures, error });
    }
  }

  #wakeSources(): void {
    if (!this.#queue.full) this.release();
  }
}
