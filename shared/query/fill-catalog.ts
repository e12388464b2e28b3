// Catches the catalog up with a promoted generation: reads only the lines it has not seen, entries and payloads in
// lockstep. Until the last of them is in, `meta` still names the generation before, and that is what readers see. No line
// that was sealed may stop it: the ledger only grows, so what cannot be read today is in the way for ever.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Checkpoint } from "../format/checkpoint.js";
import type { Entry } from "../format/entry.js";
import { leafHash } from "../format/hash.js";
import { SEAL_ACTION, sealElementId } from "../format/seal.js";
import { firstSeqOf, segmentName } from "../format/segment-name.js";
import type { Logger } from "../log.js";
import type { TreeLayout } from "../store/layout.js";
import { type LineFault, type LinePlace, readLineBatches, type StoredLine } from "../store/read-lines.js";
import type { BytesPlace, Catalog, CatalogRow } from "./catalog.js";
import { StoredTimes } from "./stored-times.js";
import { wordsOfPayload } from "./words-of-payload.js";

/** Rows per transaction: about 50 ms of work, after which waiting queries get their turn. */
const ROWS_PER_TRANSACTION = 2000;
const BULK_ROWS = 20_000;

export interface FillOptions {
  catalog: Catalog;
  tree: TreeLayout;
  generation: number;
  checkpoint: Checkpoint;
  log: Logger;
  signal?: AbortSignal;
}

/** @throws Error when the lines end before the checkpoint's size, which a verified generation does not */
export async function fillCatalog({ catalog, tree, generation, checkpoint, log, signal }: FillOptions): Promise<void> {
  const from = catalog.meta().filled;
  const last = lastPlaces(catalog);
  const entries = new LineReader(readLineBatches(tree.entries, from, last?.entry));
  const payloads = new LineReader(readLineBatches(tree.payloads, from, last?.payload));
  const partly = new PartlyFilled();
  const complete = { generation, size: checkpoint.size, root: checkpoint.root };
  const making = { sealElement: sealElementId(catalog.store), times: new StoredTimes(), partly };
  const bulk = checkpoint.size - from > BULK_ROWS;
  if (bulk) catalog.setBulk(true);
  try {
    for (let seq = from; seq < checkpoint.size; ) {
      const rows: CatalogRow[] = [];
      const end = Math.min(checkpoint.size, seq + ROWS_PER_TRANSACTION);
      for (; seq < end; seq += 1) {
        rows.push(rowOf(await entries.next(seq), await payloads.next(seq), making));
      }
      catalog.fill(rows, seq === checkpoint.size ? complete : undefined);
      if (seq < checkpoint.size) await nextTurn(undefined, signal ? { signal } : {});
    }
    if (from === checkpoint.size) catalog.fill([], complete);
  } finally {
    await Promise.allSettled([entries.close(), payloads.close()]);
    if (partly.events > 0) log.warn("events are catalogued in part", { store: catalog.store, ...partly });
    // Last, because it may fail: on a full disk it does.
    if (bulk) catalog.setBulk(false);
  }
}

/** Where the last filled event's lines start, so that reading resumes there. */
export function lastPlaces(catalog: Catalog): { seq: number; entry: LinePlace; payload: LinePlace } | undefined {
  const row = catalog
    .prepare(
      "SELECT seq, entry_file, entry_offset, payload_file, payload_offset FROM entries ORDER BY seq DESC LIMIT 1",
    )
    .get() as Record<"seq" | "entry_file" | "entry_offset" | "payload_file" | "payload_offset", number> | undefined;
  if (!row) return undefined;
  const { seq } = row;
  return {
    seq,
    entry: { seq, file: segmentName(row.entry_file, "jsonl"), offset: row.entry_offset },
    payload: { seq, file: segmentName(row.payload_file, "jsonl"), offset: row.payload_offset },
  };
}

/** Takes one line at a time from the batches. A line is valid until the next batch, so it is used before `next`. */
class LineReader {
  readonly #batches: ReturnType<typeof readLineBatches>;
  #batch: (StoredLine | LineFault)[] = [];
  #at = 0;

  constructor(batches: ReturnType<typeof readLineBatches>) {
    this.#batches = batches;
  }

  next(seq: number): StoredLine | Promise<StoredLine> {
    return this.#at < this.#batch.length ? this.#take(seq) : this.#read().then(() => this.#take(seq));
  }

  async #read(): Promise<void> {
    const { value } = await this.#batches.next();
    this.#batch = value ?? [];
    this.#at = 0;
  }

  async close(): Promise<void> {
    await this.#batches.return(undefined);
  }

  #take(seq: number): StoredLine {
    const line = this.#batch[this.#at];
    if (!line || "fault" in line || line.seq !== seq) throw new Error(`the ledger has no line for event ${seq}`);
    this.#at += 1;
    return line;
  }
}

/** Counts the events of one catch-up whose time or words could not be read, and keeps the first: a log line for all. */
class PartlyFilled {
  events = 0;
  seq = -1;
  reason = "";
  #last = -1;

  note(seq: number, { message }: Error): void {
    if (this.events === 0) Object.assign(this, { seq, reason: message });
    if (this.#last !== seq) this.events += 1;
    this.#last = seq;
  }
}

/** What the rows of one catch-up are made with. */
interface Making {
  sealElement: string;
  times: StoredTimes;
  partly: PartlyFilled;
}

function rowOf(entryLine: StoredLine, payloadLine: StoredLine, { sealElement, times, partly }: Making): CatalogRow {
  const { seq } = entryLine;
  const entry = JSON.parse(entryLine.bytes.toString("utf8")) as Entry;
  const note = (error: Error) => partly.note(seq, error);
  const isSeal = entry.action === SEAL_ACTION && entry.element_id === sealElement;
  return {
    seq,
    element: entry.element_id,
    type: entry.element_type,
    action: entry.action,
    actor: entry.actor,
    source: entry.source,
    priority: entry.priority,
    atMicros: timeOf(entry, times, note),
    height: entry.height,
    hash: leafHash(entryLine.bytes),
    entry: placeOf(entryLine),
    payload: placeOf(payloadLine),
    words: isSeal ? undefined : wordsOf(payloadLine, note),
  };
}

/** When it happened, else when it was written, else 1970: the calendar of a stored time is checked by nobody else. */
function timeOf(entry: Entry, times: StoredTimes, note: (error: Error) => void): number {
  for (const text of [entry.timestamp, entry.recorded]) {
    try {
      const micros = times.micros(text);
      // Beyond it SQLite's number and ours differ, and no page of a timeline could go on from here.
      if (Number.isSafeInteger(micros)) return micros;
      note(new Error(`${text} lies outside years 1684 to 2255`));
    } catch (error) {
      note(error as Error);
    }
  }
  return 0;
}

function wordsOf({ bytes }: StoredLine, note: (error: Error) => void): CatalogRow["words"] {
  try {
    return wordsOfPayload(bytes.toString("utf8"));
  } catch (error) {
    note(error as Error);
    return undefined;
  }
}

function placeOf({ file, offset, bytes }: StoredLine): BytesPlace {
  return { fileSeq: firstSeqOf(file), offset, length: bytes.length };
}
