// The event bus: a stage of its own between sources and ledger. Sources put admitted events in; the ledger's durable
// events come out, in order, to subscribers and into a bounded history. Nothing here may hold events without a bound, and
// no subscriber or interceptor may harm the ledger, a source or another subscriber.
import type { Logger } from "../../shared/log.js";
import type {
  Ack,
  AdmittedEvent,
  AppendedEvent,
  EventFeed,
  EventSink,
  Interceptor,
  SubscribeOptions,
} from "../event.js";
import { EventQueue, type QueueBounds } from "./event-queue.js";
import { type SubscriberState, Subscription } from "./subscription.js";

export interface EventBusOptions {
  /** Their `after` is run here; their `before` in admission. Default none. */
  interceptors?: readonly Interceptor[];
  /** Default 4096 events and 8 MiB. */
  history?: QueueBounds;
  log: Logger;
}

export interface BusState {
  history: { events: number; bytes: number; first_seq: number | null; last_seq: number | null };
  interceptors: { name: string; failures: number }[];
  subscribers: SubscriberState[];
}

const HISTORY: QueueBounds = { maxEvents: 4096, maxBytes: 8 * 1024 * 1024 };

export class EventBus implements EventSink, EventFeed {
  readonly #options: EventBusOptions;
  readonly #history: EventQueue;
  readonly #subscriptions = new Set<Subscription>();
  readonly #failures = new Map<Interceptor, number>();
  #ledger: EventSink | undefined;
  #nextSeq = 0;
  #released = false;

  constructor(options: EventBusOptions) {
    this.#options = options;
    this.#history = new EventQueue(options.history ?? HISTORY);
  }

  /** The ledger behind the bus, which holds `size` entries; to be given before the first source starts. */
  attach(ledger: EventSink, size: number): void {
    this.#ledger = ledger;
    this.#nextSeq = Math.max(this.#nextSeq, size);
  }

  /** Undefined when the ledger and every subscriber that is waited for have room now. */
  room(): Promise<void> | undefined {
    if (!this.#released) {
      for (const subscription of this.#subscriptions) {
        const room = subscription.room();
        if (room) return room;
      }
    }
    return this.#behind().room();
  }

  append(event: AdmittedEvent): Promise<Ack> {
    return this.#behind().append(event);
  }

  /** Durable events, in the order of the ledger and before their acks. Never throws, never waits. */
  appended(events: readonly AppendedEvent[]): void {
    for (const event of events) {
      this.#runAfter(event);
      this.#history.push(event);
      this.#nextSeq = event.seq + 1;
    }
    while (this.#history.overfull) this.#history.shift();
    for (const subscription of this.#subscriptions) subscription.offer(events);
  }

  subscribe(options: SubscribeOptions): Subscription {
    const { log } = this.#options;
    const subscription = new Subscription(options, log, (closed) => this.#subscriptions.delete(closed));
    this.#subscriptions.add(subscription);
    if (options.from !== undefined && options.from < this.#nextSeq) this.#replay(subscription, options.from);
    return subscription;
  }

  history(afterSeq: number, limit: number): AppendedEvent[] {
    return this.#history.after(afterSeq, limit);
  }

  get range(): { firstSeq: number; nextSeq: number } {
    return { firstSeq: this.#history.firstSeq ?? this.#nextSeq, nextSeq: this.#nextSeq };
  }

  /** From now on no subscriber holds up a source: what a source has read must reach the ledger before the stop. */
  release(): void {
    this.#released = true;
    for (const subscription of this.#subscriptions) subscription.release();
  }

  /** Ends all subscriptions; deliveries under way are not waited for. */
  stop(): void {
    for (const subscription of [...this.#subscriptions]) subscription.close();
  }

  state(): BusState {
    const { length, bytes, firstSeq, lastSeq } = this.#history;
    return {
      history: { events: length, bytes, first_seq: firstSeq ?? null, last_seq: lastSeq ?? null },
      interceptors: (this.#options.interceptors ?? []).map((interceptor) => ({
        name: interceptor.name,
        failures: this.#failures.get(interceptor) ?? 0,
      })),
      subscribers: [...this.#subscriptions].map((subscription) => subscription.state()),
    };
  }

  #behind(): EventSink {
    if (!this.#ledger) throw new Error("the bus has no ledger behind it yet");
    return this.#ledger;
  }

  #replay(subscription: Subscription, from: number): void {
    const { firstSeq } = this.range;
    if (from < firstSeq) subscription.miss(from, firstSeq - 1);
    subscription.offer(this.#history.after(from - 1, Number.POSITIVE_INFINITY));
  }

  #runAfter(event: AppendedEvent): void {
    for (const interceptor of this.#options.interceptors ?? []) {
      try {
        interceptor.after?.(event);
      } catch (error) {
        this.#failed(interceptor, error as Error);
      }
    }
  }

  /** Logged when their number doubles: one that always fails must not fill the log. */
  #failed(interceptor: Interceptor, error: Error): void {
    const failures = (this.#failures.get(interceptor) ?? 0) + 1;
    this.#failures.set(interceptor, failures);
    if ((failures & (failures - 1)) === 0) {
      this.#options.log.error("an interceptor failed", { interceptor: interceptor.name, failures, error });
    }
  }
}
