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

interface Place {
  size: number;
  /** Payload hash of entry `size − 1`: salted, so no other ledger has it. */
  last: string;
}

export class KnownElements {
  readonly #db: Database.Database;
  readonly #options: KnownElementsOptions;
  readonly #select: Database.Statement<[string, string], KnownElement>;
  readonly #selectPage: Database.Statement<[string, string], KnownElement>;
  readonly #selectSeen: Database.Statement<[string], { seen: string }>;
  readonly #putSeen: Database.Statement<[string, string]>;
  readonly #write: (events: readonly AppendedEvent[], place: Place) => void;
  #place: Place;
  #unnoted = 0;
  #isLive = false;

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
      this.#take(events, true);
    }
    this.#isLive = true;
  }

  /** Takes in a batch of durable events, in order. Never throws: what it misses is read again at the next start. */
  appended(events: readonly AppendedEvent[]): void {
    if (!this.#isLive) return;
    try {
      this.#take(events, false);
    } catch (error) {
      // A hole in the middle would never be noticed, so nothing more is taken in.
      this.#isLive = false;
      this.#options.log.error("known elements cannot be written: until a restart, snapshots may repeat what is known", {
        error,
      });
    }
  }

  get(source: string, elementId: string): KnownElement | undefined {
    return this.#select.get(source, elementId);
  }

  /** All elements of a source that are there: of what is gone there is ever more, such as closed sessions. Writing meanwhile is allowed. */
  *list(source: string): Generator<KnownElement> {
    let after = "";
    for (;;) {
      const page = this.#selectPage.all(source, after);
      yield* page;
      if (page.length < PAGE) return;
      after = (page.at(-1) as KnownElement).elementId;
    }
  }

  /** Until when a source has surely seen all that happened; undefined if it has never been at work. */
  seenUntil(source: string): string | undefined {
    return this.#selectSeen.get(source)?.seen;
  }

  /** Never goes back, and never throws: a time that could not be noted makes the next gap longer, and nothing worse. */
  setSeenUntil(source: string, timestamp: string): void {
    try {
      this.#putSeen.run(source, timestamp);
    } catch (error) {
      this.#options.log.warn("how far a source has seen cannot be noted", { source, error });
    }
  }

  close(): void {
    if (this.#isLive && this.#unnoted > 0) this.#write([], this.#place);
    this.#db.close();
  }

  #take(events: readonly AppendedEvent[], note: boolean): void {
    const fresh = events.filter(({ seq }) => seq >= this.#place.size);
    const last = fresh.at(-1);
    if (!last) return;
    const place = { size: last.seq + 1, last: last.entry.payload_hash };
    const watched = fresh.filter(({ entry }) => this.#options.isWatched(entry.source));
    this.#unnoted += fresh.length;
    if (watched.length > 0 || note || this.#unnoted >= NOTE_EVERY) {
      this.#write(watched, place);
      this.#unnoted = 0;
    }
    this.#place = place;
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

  #prepareWrite(): (events: readonly AppendedEvent[], place: Place) => void {
    const put = this.#db.prepare(
      "INSERT INTO elements VALUES (?, ?, ?, ?) ON CONFLICT (source, element_id) DO UPDATE SET element_type = excluded.element_type, state = excluded.state",
    );
    const putPlace = this.#db.prepare("UPDATE meta SET size = ?, last = ?");
    return this.#db.transaction((events: readonly AppendedEvent[], { size, last }: Place) => {
      for (const { entry, stateJson } of events) {
        put.run(entry.source, entry.element_id, entry.element_type, comparableState(stateJson));
        // While events are live their source says itself how far it has seen: an entry is no sign that all before it is.
        if (!this.#isLive) this.#putSeen.run(entry.source, entry.recorded);
      }
      putPlace.run(size, last);
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
