// Where ranges of the ledger ended that workers have read: the next one is read from there, and not from the begin of its
// segment. Bounded; a place that is forgotten costs reading only.
import type { EventPlace } from "./embed-protocol.js";

/** Ranges that are under way side by side end near each other. */
const MOST_PLACES = 32;

export class KnownPlaces {
  /** The latest first. */
  #places: EventPlace[] = [];

  note(place: EventPlace): void {
    this.#places = [place, ...this.#places].slice(0, MOST_PLACES);
  }

  /** The nearest one that is not behind `seq`. */
  before(seq: number): EventPlace | undefined {
    const before = this.#places.filter(({ entry }) => entry.seq <= seq);
    return before.sort((a, b) => b.entry.seq - a.entry.seq)[0];
  }
}
