// What the ledger last knew of each element, by source: sources compare the present with it when they (re)start, and write
// only what differs. An SQLite file beside the other derived data: deleted or damaged, it is read anew from the ledger.
import type Database from "better-sqlite3";
import { canonicalise, type JsonValue } from "../../../shared/format/canonical-json.js";
import type { Logger } from "../../../shared/log.js";
import { openDerived } from "../../../shared/store/open-derived.js";
import type { AppendedEvent } from "../../event.js";
import type { JsonObject } from "./element-change.js";

export interface KnownElement {
  elementId: string;
  elementType: string;
  /** Canonical JSON of its state, without what belonged to the event only. `{}`: it was gone. */
  stateJson: string;
}

/** Up to `limit` durable events from `fromSeq`. */
export type ReadAppended = (fromSeq: number, limit: number) => Promise<AppendedEvent[]>;

export interface KnownElementsOptions {
  path: string;
  log: Logger;
  /** Whether elements of this event source are kept. */
  isWatched(source: string): boolean;
}

const SCHEMA_VERSION = 1;
/** Events that are of no watched source, after which the place in the ledger is noted all the same. */
const NOTE_EVERY = 4096;
const PAGE = 1000;
/** How long after a failed write the next one is tried. */
const RETRY_MS = 1000;
/** As long as a write waits for another process: this one does nothing else meanwhile. */
const LIVE_BUSY_MS = 100;
/** What could not be written may take up this much memory; an element costs some besides its state. */
const MAX_UNWRITTEN_BYTES = 64 * 1024 * 1024;
const ELEMENT_BYTES = 512;

interface Place {
  size: number;
  /** Payload hash of entry `size − 1`: salted, so no other ledger has it. */
  last: string;
}

/** What the file has not yet of one source. */
interface Unwritten {
  elements: Map<string, KnownElement>;
  /** When the last of their events was recorded. */
  recorded: string;
}

export class KnownElements {
  readonly #db: Database.Database;
  readonly #options: KnownElementsOptions;
  readonly #select: Database.Statement<[string, string], KnownElement>;
  readonly #selectPage: Database.Statement<[string, string], KnownElement>;
  readonly #selectSeen: Database.Statement<[string], { seen: string }>;
  readonly #putSeen: Database.Statement<[string, string]>;
  readonly #write: (seen?: [source: string, timestamp: string]) => void;
  /** By source, newer than the file. Only a write that failed leaves something here. */
  readonly #unwritten = new Map<string, Unwritten>();
  #unwrittenBytes = 0;
  /** Up to where the file and `#unwritten` together have the ledger; the file's own place is moved with its elements. */
  #place: Place;
  #unnoted = 0;
  #isLive = false;
  /** When to write next; undefined as long as writes succeed. */
  #retryAtMs: number | undefined;
  /** More could not be written than may be kept, so that the file can only be caught up by the next start. */
  #isFull = false;

  private constructor(db: Database.Database, options: KnownElementsOptions) {
    this.#db = db;
    this.#options = options;
    const columns = "element_id AS elementId, element_type AS elementType, state AS stateJson";
    this.#select = db.prepare(`SELECT ${columns} FROM elements WHERE source = ? AND element_id = ?`);
    this.#selectPage = db.prepare(
      `SELECT ${columns} FROM elements WHERE source = ? AND element_id > ? AND state <> '{}' ORDER BY element_id LIMIT ${PAGE}`,
    );
    this.#selectSeen = db.prepare("SELECT seen FROM sources WHERE source = ?");
    this.#putSeen = db.prepare(
      "INSERT INTO sources VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET seen = max(seen, excluded.seen)",
    );
    this.#write = this.#prepareWrite();
    this.#place = db.prepare("SELECT size, last FROM meta").get() as Place;
  }

  /** Opens the file, or starts an empty one where it is missing, damaged or of another version. */
  static open(options: KnownElementsOptions): KnownElements {
    const { path } = options;
    return openDerived(
      { path, version: SCHEMA_VERSION, schema: SCHEMA, synchronous: "NORMAL" },
      (db) => new KnownElements(db, options),
    );
  }

  /**
   * Takes in what the ledger has and the file has not, and from then on `appended`; `read` gives durable events from a
   * sequence number on. To be called once, before the first source starts; seals may be appended meanwhile.
   */
  async catchUp(read: ReadAppended, ledgerSize: () => number): Promise<void> {
    if (!(await this.#isOfThisLedger(read, ledgerSize()))) this.#clear();
    while (this.#place.size < ledgerSize()) {
      const events = await read(this.#place.size, NOTE_EVERY);
      if (events.length === 0) throw new Error(`the ledger ends before entry ${this.#place.size}`);
      if (this.#take(events)) this.#writeAll();
    }
    this.#db.pragma(`busy_timeout = ${LIVE_BUSY_MS}`);
    this.#isLive = true;
  }

  /** Takes in a batch of durable events, in order. Never throws: what cannot be written is kept, and written first later. */
  appended(events: readonly AppendedEvent[]): void {
    if (!this.#isLive) return;
    const isDue = this.#take(events) && (this.#unwritten.size > 0 || this.#unnoted >= NOTE_EVERY);
    if (!isDue || this.#tryWrite() || this.#unwrittenBytes <= MAX_UNWRITTEN_BYTES || this.#isFull) return;
    this.#isFull = true;
    this.#options.log.error(
      "too much of known elements cannot be written: until a restart, events may repeat what is known",
    );
  }

  get(source: string, elementId: string): KnownElement | undefined {
    const unwritten = this.#unwrittenOf(source, elementId);
    // The file may be behind: a state that is told twice is better than one that is taken for known.
    return unwritten || this.#isFull ? unwritten : this.#select.get(source, elementId);
  }

  /** All elements of a source that are there: of what is gone there is ever more, such as closed sessions. Writing meanwhile is allowed. */
  *list(source: string): Generator<KnownElement> {
    const listed = new Set<string>();
    for (const elementId of [...(this.#unwritten.get(source)?.elements.keys() ?? [])]) {
      const element = this.get(source, elementId);
      if (!element || element.stateJson === "{}") continue;
      listed.add(elementId);
      yield element;
    }
    let after = "";
    for (;;) {
      const page = this.#selectPage.all(source, after);
      for (const element of page) {
        const { elementId } = element;
        const newest = this.#unwrittenOf(source, elementId) ?? element;
        if (newest.stateJson !== "{}" && !listed.has(elementId)) yield newest;
      }
      if (page.length < PAGE) return;
      after = (page.at(-1) as KnownElement).elementId;
    }
  }

  /** Until when a source has surely seen all that happened; undefined if it has never been at work. */
  seenUntil(source: string): string | undefined {
    return this.#selectSeen.get(source)?.seen;
  }

  /**
   * Never goes back, and never ahead of the elements in the file. Never throws: a time that could not be noted makes the
   * next gap longer, and nothing worse.
   */
  setSeenUntil(source: string, timestamp: string): void {
    if (this.#isLive) this.#tryWrite([source, timestamp]);
  }

  close(): void {
    this.#retryAtMs &&= 0;
    // What cannot be written now is read again at the next start.
    if (this.#isLive && (this.#unnoted > 0 || this.#unwritten.size > 0)) this.#tryWrite();
    this.#isLive = false;
    this.#db.close();
  }

  /** False: there is nothing new in it. */
  #take(events: readonly AppendedEvent[]): boolean {
    const fresh = events.filter(({ seq }) => seq >= this.#place.size);
    const last = fresh.at(-1);
    if (!last) return false;
    for (const event of fresh) if (this.#options.isWatched(event.entry.source)) this.#keep(event);
    this.#unnoted += fresh.length;
    this.#place = { size: last.seq + 1, last: last.entry.payload_hash };
    return true;
  }

  #keep({ entry, stateJson }: AppendedEvent): void {
    const { source, element_id: elementId, element_type: elementType, recorded } = entry;
    const before = this.#unwrittenOf(source, elementId);
    if (this.#isFull && !before) return;
    const element = { elementId, elementType, stateJson: comparableState(stateJson) };
    const ofSource = this.#unwritten.get(source) ?? { elements: new Map(), recorded };
    if (recorded > ofSource.recorded) ofSource.recorded = recorded;
    this.#unwritten.set(source, ofSource);
    ofSource.elements.set(elementId, element);
    this.#unwrittenBytes += element.stateJson.length + ELEMENT_BYTES;
    if (before) this.#unwrittenBytes -= before.stateJson.length + ELEMENT_BYTES;
  }

  #unwrittenOf(source: string, elementId: string): KnownElement | undefined {
    return this.#unwritten.get(source)?.elements.get(elementId);
  }

  /** Writes all that waits. False: that failed, or has just failed. */
  #tryWrite(seen?: [source: string, timestamp: string]): boolean {
    const { log } = this.#options;
    const isRetry = this.#retryAtMs !== undefined;
    const mayWait = this.#unwrittenBytes <= MAX_UNWRITTEN_BYTES;
    if (this.#isFull || (mayWait && performance.now() < (this.#retryAtMs ?? 0))) return false;
    try {
      this.#writeAll(seen);
    } catch (error) {
      this.#retryAtMs = performance.now() + RETRY_MS;
      if (!isRetry) log.error("known elements cannot be written: they are kept in memory until they can", { error });
      return false;
    }
    this.#retryAtMs = undefined;
    if (isRetry) log.info("known elements are written again");
    return true;
  }

  #writeAll(seen?: [source: string, timestamp: string]): void {
    this.#write(seen);
    this.#unwritten.clear();
    this.#unwrittenBytes = 0;
    this.#unnoted = 0;
  }

  async #isOfThisLedger(read: ReadAppended, ledgerSize: number): Promise<boolean> {
    const { size, last } = this.#place;
    if (size === 0 || size > ledgerSize) return size === 0;
    const [event] = await read(size - 1, 1);
    return event?.entry.payload_hash === last;
  }

  #clear(): void {
    this.#db.exec("DELETE FROM elements; DELETE FROM sources; UPDATE meta SET size = 0, last = ''");
    this.#place = { size: 0, last: "" };
  }

  #prepareWrite(): (seen?: [source: string, timestamp: string]) => void {
    const put = this.#db.prepare(
      "INSERT INTO elements VALUES (?, ?, ?, ?) ON CONFLICT (source, element_id) DO UPDATE SET element_type = excluded.element_type, state = excluded.state",
    );
    const putPlace = this.#db.prepare("UPDATE meta SET size = ?, last = ?");
    return this.#db.transaction((seen?: [source: string, timestamp: string]) => {
      for (const [source, { elements, recorded }] of this.#unwritten) {
        for (const element of elements.values())
          put.run(source, element.elementId, element.elementType, element.stateJson);
        // While events are live their source says itself how far it has seen: an entry is no sign that all before it is.
        if (!this.#isLive) this.#putSeen.run(source, recorded);
      }
      putPlace.run(this.#place.size, this.#place.last);
      if (seen) this.#putSeen.run(...seen);
    });
  }
}

/** The state without what belonged to the event only, as canonical JSON. */
export function comparableState(stateJson: string): string {
  if (!stateJson.includes('"change":')) return stateJson;
  const { change: _, ...state } = JSON.parse(stateJson) as JsonObject;
  return canonicalise(state as JsonValue);
}

const SCHEMA = `
  CREATE TABLE elements (source TEXT, element_id TEXT, element_type TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (source, element_id)) WITHOUT ROWID;
  CREATE TABLE sources (source TEXT PRIMARY KEY, seen TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE meta (size INTEGER NOT NULL, last TEXT NOT NULL);
  INSERT INTO meta VALUES (0, '');
`;
