// The last text of small files, from which diffs are made: redacted text only, in a file that only root can read. Derived
// and disposable: without it the next change of a file has no diff.
import { chmodSync, closeSync, openSync } from "node:fs";
import type Database from "better-sqlite3";
import { openDerived } from "../../../shared/store/open-derived.js";

const SCHEMA_VERSION = 1;
/** All of /etc is a tenth of this. */
const MAX_BYTES = 64 * 1024 * 1024;

interface Row {
  digest: string;
  text: string;
}

export class TextCache {
  readonly #db: Database.Database;
  readonly #maxBytes: number;
  readonly #select: Database.Statement<[string], Row>;
  readonly #insert: Database.Statement<[string, string, string, number, number]>;
  readonly #remove: Database.Statement<[string], { bytes: number }>;
  readonly #oldest: Database.Statement<[], { element_id: string }>;
  #bytes: number;
  #turn: number;

  private constructor(db: Database.Database, maxBytes: number) {
    this.#db = db;
    this.#maxBytes = maxBytes;
    this.#select = db.prepare("SELECT digest, text FROM texts WHERE element_id = ?");
    this.#insert = db.prepare("INSERT INTO texts VALUES (?, ?, ?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM texts WHERE element_id = ? RETURNING bytes");
    this.#oldest = db.prepare("SELECT element_id FROM texts ORDER BY turn LIMIT 1");
    const totals = db
      .prepare("SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(max(turn), 0) AS turn FROM texts")
      .get();
    ({ bytes: this.#bytes, turn: this.#turn } = totals as { bytes: number; turn: number });
  }

  /** Opens the file, or starts an empty one where it is missing, damaged or of another version. */
  static open(path: string, maxBytes = MAX_BYTES): TextCache {
    return openDerived(
      {
        path,
        version: SCHEMA_VERSION,
        schema: SCHEMA,
        synchronous: "OFF",
        // A text whose file has become secret is wiped, and not only forgotten.
        pragmas: ["secure_delete = ON"],
        // SQLite gives its other files the mode of this one.
        prepare: () => {
          closeSync(openSync(path, "a", 0o600));
          chmodSync(path, 0o600);
        },
      },
      (db) => new TextCache(db, maxBytes),
    );
  }

  /** The text of the content with this digest, if that is what was kept. */
  get(elementId: string, digest: string): string | undefined {
    const row = this.#select.get(elementId);
    return row?.digest === digest ? row.text : undefined;
  }

  /** What has not changed for longest makes room. */
  put(elementId: string, digest: string, text: string): void {
    if (this.get(elementId, digest) === text) return;
    this.delete(elementId);
    const bytes = Buffer.byteLength(text) + elementId.length;
    if (bytes > this.#maxBytes) return;
    while (this.#bytes + bytes > this.#maxBytes) this.delete((this.#oldest.get() as { element_id: string }).element_id);
    this.#turn += 1;
    this.#insert.run(elementId, digest, text, bytes, this.#turn);
    this.#bytes += bytes;
  }

  delete(elementId: string): void {
    this.#bytes -= this.#remove.get(elementId)?.bytes ?? 0;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  close(): void {
    this.#db.close();
  }
}

const SCHEMA = `
  CREATE TABLE texts (element_id TEXT PRIMARY KEY, digest TEXT NOT NULL, text TEXT NOT NULL, bytes INTEGER NOT NULL,
    turn INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX texts_by_turn ON texts (turn);
`;
