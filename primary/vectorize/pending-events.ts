// Events in memory until their rows are written, by priority. Bounded in number and in bytes: what does not fit is left in the
// ledger and read back from there (vectorizer.ts). High events have as much room again, and critical ones once more, so
// that a flood of less urgent ones cannot push them out of memory.
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import type { AppendedEvent } from "../event.js";

export interface EventRoom {
  events: number;
  /** Of their states, in UTF-8: the rest of an event is small. */
  bytes: number;
}

/** Events on their way to a worker; they take their room until they are released. */
export interface TakenEvents {
  events: AppendedEvent[];
  bytes: number;
}

interface Waiting {
  event: AppendedEvent;
  bytes: number;
}

const ROOMS: Readonly<Record<Priority, number>> = { critical: 3, high: 2, medium: 1, low: 1 };

export class PendingEvents {
  readonly #room: EventRoom;
  readonly #waiting: Record<Priority, Waiting[]> = { critical: [], high: [], medium: [], low: [] };
  readonly #held: EventRoom = { events: 0, bytes: 0 };

  constructor(room: EventRoom) {
    this.#room = room;
  }

  /** What is in memory: waiting, or taken and not yet released. */
  get held(): Readonly<EventRoom> {
    return this.#held;
  }

  /** False when there is no room: the event stays in the ledger only. */
  offer(event: AppendedEvent): boolean {
    const { priority } = event.entry;
    const rooms = ROOMS[priority];
    const bytes = Buffer.byteLength(event.stateJson);
    if (this.#held.events + 1 > rooms * this.#room.events) return false;
    if (this.#held.bytes + bytes > rooms * this.#room.bytes) return false;
    this.#waiting[priority].push({ event, bytes });
    this.#held.events += 1;
    this.#held.bytes += bytes;
    return true;
  }

  /** The most urgent priority with events waiting. */
  mostUrgent(): Priority | undefined {
    return PRIORITIES.find((priority) => this.#waiting[priority].length > 0);
  }

  /** Takes events of `priority`, oldest first, up to `most` of them; one even if it alone is more. */
  take(priority: Priority, most: EventRoom): TakenEvents {
    const waiting = this.#waiting[priority];
    let count = 0;
    let bytes = 0;
    while (count < Math.min(waiting.length, most.events)) {
      const next = (waiting[count] as Waiting).bytes;
      if (count > 0 && bytes + next > most.bytes) break;
      count += 1;
      bytes += next;
    }
    return { events: waiting.splice(0, count).map(({ event }) => event), bytes };
  }

  /** Gives the room of what was taken to others. */
  release({ events, bytes }: TakenEvents): void {
    this.#held.events -= events.length;
    this.#held.bytes -= bytes;
  }
}
