// Entries and payloads in lockstep: line i of one belongs to line i of the other, whatever segments they lie in.
import {
  type LineFault,
  type LinePlace,
  type PlacesWanted,
  readLineBatches,
  type StoredLine,
  scanLinePlaces,
} from "./read-lines.js";

/** Where the lines of one event stand. */
export interface EventPlace {
  entry: LinePlace;
  payload: LinePlace;
}

export interface StoredEvent {
  seq: number;
  entry: StoredLine;
  payload: StoredLine;
}

/** Where the two stop being whole and equal in number: which of them ends or is faulty, and where. */
export interface EventsEnd {
  /** First sequence number that does not stand whole in both. */
  seq: number;
  entry: StoredLine | LineFault | undefined;
  payload: StoredLine | LineFault | undefined;
}

/**
 * Batches of events from `fromSeq`; the last batch is the `EventsEnd` (both `undefined` when the two end together). The
 * buffers of a batch are valid until the next one is asked for. `known` is where the lines of one event at or before
 * `fromSeq` stand, so that nothing before them is read.
 */
export async function* readEventBatches(
  dirs: { entries: string; payloads: string },
  fromSeq = 0,
  known?: EventPlace,
): AsyncGenerator<StoredEvent[] | EventsEnd> {
  const entries = new LineCursor(readLineBatches(dirs.entries, fromSeq, known?.entry));
  const payloads = new LineCursor(readLineBatches(dirs.payloads, fromSeq, known?.payload));
  let seq = fromSeq;
  try {
    for (;;) {
      await Promise.all([entries.fill(), payloads.fill()]);
      const batch: StoredEvent[] = [];
      while (entries.line && payloads.line) {
        batch.push({ seq, entry: entries.line, payload: payloads.line });
        seq += 1;
        entries.next();
        payloads.next();
      }
      if (batch.length > 0) yield batch;
      else if (entries.here === undefined || payloads.here === undefined || entries.fault || payloads.fault) {
        yield { seq, entry: entries.here, payload: payloads.here };
        return;
      }
    }
  } finally {
    await Promise.all([entries.close(), payloads.close()]);
  }
}

/** Where the lines of the wanted events begin, as `scanLinePlaces` tells it of both, and as long as it does. */
export async function* scanEventPlaces(
  dirs: { entries: string; payloads: string },
  wanted: PlacesWanted,
  known?: EventPlace,
): AsyncGenerator<EventPlace> {
  const entries = scanLinePlaces(dirs.entries, wanted, known?.entry);
  const payloads = scanLinePlaces(dirs.payloads, wanted, known?.payload);
  try {
    for (;;) {
      const [entry, payload] = await Promise.all([entries.next(), payloads.next()]);
      if (entry.done || payload.done) return;
      yield { entry: entry.value, payload: payload.value };
    }
  } finally {
    await Promise.all([entries.return(undefined), payloads.return(undefined)]);
  }
}

/** A place in one stream of line batches. */
class LineCursor {
  readonly #batches: AsyncGenerator<(StoredLine | LineFault)[]>;
  #batch: (StoredLine | LineFault)[] = [];
  #at = 0;
  #ended = false;

  constructor(batches: AsyncGenerator<(StoredLine | LineFault)[]>) {
    this.#batches = batches;
  }

  /** Makes `here` point at something, unless the stream has ended. */
  async fill(): Promise<void> {
    if (this.#at < this.#batch.length || this.#ended) return;
    const next = await this.#batches.next();
    this.#ended = next.done === true;
    this.#batch = next.done ? [] : next.value;
    this.#at = 0;
  }

  get here(): StoredLine | LineFault | undefined {
    return this.#batch[this.#at];
  }
  get line(): StoredLine | undefined {
    const here = this.here;
    return here && !("fault" in here) ? here : undefined;
  }
  get fault(): boolean {
    return this.here !== undefined && "fault" in this.here;
  }

  next(): void {
    this.#at += 1;
  }

  async close(): Promise<void> {
    await this.#batches.return(undefined);
  }
}
