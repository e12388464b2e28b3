// A queue of durable events, bounded by their number and by their bytes: the bus's history, and what waits for one
// subscriber. Sequence numbers in it have no gap. It never holds more than its caller lets it: the caller drops or waits.
import type { AppendedEvent } from "../event.js";

export interface QueueBounds {
  maxEvents: number;
  /** Of states and names, in UTF-16 units, and ENTRY_BYTES for each event. Text beyond Latin-1 takes twice as much memory. */
  maxBytes: number;
}

/** An entry's numbers, hashes, times and object, about. */
const ENTRY_BYTES = 1024;
/** What has been taken is let go of at once; the array itself shrinks when so much of it is empty. */
const COMPACT_AT = 1024;

export class EventQueue {
  readonly bounds: QueueBounds;
  #events: (AppendedEvent | undefined)[] = [];
  #start = 0;
  #bytes = 0;

  constructor(bounds: QueueBounds) {
    this.bounds = bounds;
  }

  get length(): number {
    return this.#events.length - this.#start;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get firstSeq(): number | undefined {
    return this.#events[this.#start]?.seq;
  }
  get lastSeq(): number | undefined {
    return this.#events.at(-1)?.seq;
  }
  /** At a bound, or past it. */
  get full(): boolean {
    return this.length >= this.bounds.maxEvents || this.#bytes >= this.bounds.maxBytes;
  }
  get overfull(): boolean {
    return this.length > this.bounds.maxEvents || this.#bytes > this.bounds.maxBytes;
  }

  push(event: AppendedEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
  }

  shift(): AppendedEvent | undefined {
    const event = this.#events[this.#start];
    if (event === undefined) return undefined;
    this.#events[this.#start] = undefined;
    this.#start += 1;
    this.#bytes -= sizeOf(event);
    if (this.#start >= COMPACT_AT && this.#start * 2 >= this.#events.length) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
    return event;
  }

  /** Up to `limit` events with `seq > afterSeq`, left where they are. */
  after(afterSeq: number, limit: number): AppendedEvent[] {
    const from = this.#start + Math.max(0, afterSeq + 1 - (this.firstSeq ?? 0));
    return this.#events.slice(from, from + limit) as AppendedEvent[];
  }

  clear(): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
  }
}

export function sizeOf({ entry, stateJson }: AppendedEvent): number {
  return (
    ENTRY_BYTES +
    stateJson.length +
    entry.element_id.length +
    entry.element_type.length +
    entry.action.length +
    entry.actor.length
  );
}
