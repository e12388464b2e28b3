// Reads durable events back from the live ledger: for vectors that were not made before a stop, or that had no room in
// the vectorizer's queue. Goes on where the last read ended, so that a long range is read once.
import type { Entry } from "../../shared/format/entry.js";
import { stateTextOf } from "../../shared/format/payload.js";
import type { TreeLayout } from "../../shared/store/layout.js";
import { readEventBatches, type StoredEvent } from "../../shared/store/read-events.js";
import type { LinePlace } from "../../shared/store/read-lines.js";
import type { AppendedEvent } from "../event.js";

/** States read at the most for one answer, one event aside. */
const MOST_BYTES = 4 * 1024 * 1024;

export class AppendedReader {
  readonly #live: TreeLayout;
  #last: { entry: LinePlace; payload: LinePlace } | undefined;

  constructor(live: TreeLayout) {
    this.#live = live;
  }

  /** Up to `limit` events from `fromSeq`, fewer at the ledger's end or where they are large. */
  async read(fromSeq: number, limit: number): Promise<AppendedEvent[]> {
    const known = this.#last && this.#last.entry.seq <= fromSeq ? this.#last : undefined;
    const events: AppendedEvent[] = [];
    let bytes = 0;
    for await (const batch of readEventBatches(this.#live, fromSeq, known)) {
      if (!Array.isArray(batch)) break;
      for (const event of batch) {
        events.push(toAppended(event));
        bytes += event.payload.bytes.length;
        this.#last = { entry: placeOf(event.entry), payload: placeOf(event.payload) };
        if (events.length >= limit || bytes >= MOST_BYTES) return events;
      }
    }
    return events;
  }
}

/** These lines were written by this primary and checked at the opening: they are not checked again. */
function toAppended({ seq, entry, payload }: StoredEvent): AppendedEvent {
  return { seq, entry: JSON.parse(entry.bytes.toString()) as Entry, stateJson: stateTextOf(payload.bytes.toString()) };
}

function placeOf({ seq, file, offset }: LinePlace): LinePlace {
  return { seq, file, offset };
}
