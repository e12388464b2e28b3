// How many events of each priority wait for their row. What is waited for is not kept in memory, so each event's priority
// is noted in one byte: a backlog of a million events costs 1 MB.
import { PRIORITIES, type Priority } from "../../shared/format/entry.js";

export class PriorityBacklog {
  /** 1 and the place in PRIORITIES for an event that waits, 0 for any other. */
  #codes = new Uint8Array(1024);
  /** Sequence number of the first code. */
  #base: number;
  readonly counts: Record<Priority, number> = { critical: 0, high: 0, medium: 0, low: 0 };

  constructor(from: number) {
    this.#base = from;
  }

  get size(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.counts[priority], 0);
  }

  /** `firstWaiting`: nothing below it waits any more, and its bytes may go. */
  add(seq: number, priority: Priority, firstWaiting: number): void {
    this.#makeRoom(seq, firstWaiting);
    this.#codes[seq - this.#base] = PRIORITIES.indexOf(priority) + 1;
    this.counts[priority] += 1;
  }

  /** An event that does not wait is no difference. */
  remove(seq: number): void {
    const priority = PRIORITIES[(this.#codes[seq - this.#base] ?? 0) - 1];
    if (priority === undefined) return;
    this.#codes[seq - this.#base] = 0;
    this.counts[priority] -= 1;
  }

  #makeRoom(seq: number, firstWaiting: number): void {
    if (seq - this.#base < this.#codes.length) return;
    const done = Math.min(seq, firstWaiting) - this.#base;
    const codes = new Uint8Array(Math.max(1024, (seq - this.#base - done + 1) * 2));
    codes.set(this.#codes.subarray(done));
    this.#codes = codes;
    this.#base += done;
  }
}
