// Events that wait in memory for their vectors, by priority. Bounded: what does not fit is left in the ledger and read
// back from there (vectorizer.ts). Critical events have as much room again of their own, so that a flood of others
// cannot push them out of memory.
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";
import type { AppendedEvent } from "../event.js";

export class PendingEvents {
  readonly #maxEvents: number;
  readonly #waiting: Record<Priority, AppendedEvent[]> = { critical: [], high: [], medium: [], low: [] };
  #count = 0;

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents;
  }

  get count(): number {
    return this.#count;
  }

  /** False when there is no room: the event stays in the ledger only. */
  offer(event: AppendedEvent): boolean {
    const critical = event.entry.priority === "critical";
    if (this.#count >= (critical ? 2 * this.#maxEvents : this.#maxEvents)) return false;
    this.#waiting[event.entry.priority].push(event);
    this.#count += 1;
    return true;
  }

  /** The most urgent priority with events waiting. */
  mostUrgent(): Priority | undefined {
    return PRIORITIES.find((priority) => this.#waiting[priority].length > 0);
  }

  /** Takes up to `most` events of `priority`, oldest first. */
  take(priority: Priority, most: number): AppendedEvent[] {
    const taken = this.#waiting[priority].splice(0, most);
    this.#count -= taken.length;
    return taken;
  }
}
