// A ledger in memory for tests of sources: group commits by turn of the event loop, honours idempotency keys, can be full.
import type { Ack, AdmittedEvent, EventSink } from "../../../primary/event.js";
import { sha256Hex } from "../../../shared/format/hash.js";

export class MemorySink implements EventSink {
  readonly events: AdmittedEvent[] = [];
  readonly #acks = new Map<string, Ack>();
  #full: Promise<void> | undefined;
  #open: (() => void) | undefined;
  #held: (() => void)[] | undefined;
  /** Thrown by the next appends. */
  failure: Error | undefined;

  room(): Promise<void> | undefined {
    return this.#full;
  }

  append(event: AdmittedEvent): Promise<Ack> {
    if (this.failure) return Promise.reject(this.failure);
    const known = event.idempotencyKey === undefined ? undefined : this.#acks.get(event.idempotencyKey);
    if (known) return Promise.resolve({ ...known, duplicate: true });
    const seq = this.events.push(event) - 1;
    const ack = { seq, hash: sha256Hex(`${seq} ${event.stateJson}`), duplicate: false };
    if (event.idempotencyKey !== undefined) this.#acks.set(event.idempotencyKey, ack);
    return new Promise((resolve) => {
      const settle = () => resolve(ack);
      if (this.#held) this.#held.push(settle);
      else setImmediate(settle);
    });
  }

  fill(): void {
    this.#full = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  makeRoom(): void {
    this.#full = undefined;
    this.#open?.();
  }

  /** Keeps acks back until `releaseAcks`. */
  holdAcks(): void {
    this.#held = [];
  }

  releaseAcks(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const settle of held) settle();
  }
}

export const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
