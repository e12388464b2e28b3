// The text cache's file: vectors by digest, each with the hour of its last use and a check sum, because a wrong vector would
// be a wrong row for ever. Several processes use it at once. It knows nothing of texts and spaces.
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type Database from "better-sqlite3";
import { openDerived, removeDerived } from "../store/open-derived.js";

export interface KeyedVector {
  digest: Buffer;
  vector: Float32Array;
}

export interface StoredVector {
  id: number;
  vector: Float32Array;
  /** Of its last use. */
  hour: number;
}

interface Row {
  id: number;
  vector: Buffer;
  sum: Buffer;
  hour: number;
}

const SCHEMA_VERSION = 1;
const SUM_BYTES = 8;
/** Of the file, freed when it is full, so that it is not looked for the oldest at each write. */
const FREED_SHARE = 0.1;
const BUSY_MS = 1000;

export class VectorTable {
  readonly #db: Database.Database;
  readonly #inode: number | undefined;
  readonly #maxBytes: number;
  readonly #select: Database.Statement<[Buffer], Row>;
  readonly #insert: Database.Statement<[Buffer, Buffer, Buffer, number]>;
  readonly #touch: Database.Statement<[number, number]>;
  readonly #count: Database.Statement<[], number>;
  readonly #deleteOldest: Database.Statement<[number]>;

  private constructor(db: Database.Database, maxBytes: number) {
    this.#db = db;
    this.#inode = inodeOf(db.name);
    this.#maxBytes = maxBytes;
    this.#select = db.prepare("SELECT id, vector, sum, hour FROM vectors WHERE digest = ?");
    this.#insert = db.prepare("INSERT OR REPLACE INTO vectors (digest, vector, sum, hour) VALUES (?, ?, ?, ?)");
    this.#touch = db.prepare("UPDATE vectors SET hour = ? WHERE id = ?");
    this.#count = db.prepare<[], number>("SELECT count(*) FROM vectors").pluck();
    this.#deleteOldest = db.prepare(
      "DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY hour, id LIMIT ?)",
    );
  }

  /** @throws what SQLite says where not even a new file can be opened, or others hold this one */
  static open(path: string, maxBytes: number): VectorTable {
    const pragmas = [`busy_timeout = ${BUSY_MS}`, "journal_size_limit = 4194304"];
    return openDerived(
      { path, version: SCHEMA_VERSION, schema: SCHEMA, synchronous: "OFF", pragmas, unchecked: true },
      (db) => new VectorTable(db, maxBytes),
    );
  }

  /** In the order of `digests`; undefined for what is not there, or is not what was put there. */
  get(digests: readonly Buffer[]): (StoredVector | undefined)[] {
    return digests.map((digest) => {
      const row = this.#select.get(digest);
      if (!row || !sumOf(digest, row.vector).equals(row.sum)) return undefined;
      // A copy: what SQLite gives may begin at any byte.
      return { id: row.id, vector: new Float32Array(new Uint8Array(row.vector).buffer), hour: row.hour };
    });
  }

  touch(ids: readonly number[], hour: number): void {
    this.#db
      .transaction(() => {
        for (const id of ids) this.#touch.run(hour, id);
      })
      .immediate();
  }

  put(rows: readonly KeyedVector[], hour: number): void {
    this.#db
      .transaction(() => {
        for (const { digest, vector } of rows) {
          const bytes = bytesOf(vector);
          this.#insert.run(digest, bytes, sumOf(digest, bytes), hour);
        }
        if (this.#usedBytes() > this.#maxBytes) this.#free();
      })
      .immediate();
  }

  /** Whether the file of this name is another by now: one of the processes found it damaged. */
  isReplaced(): boolean {
    return inodeOf(this.#db.name) !== this.#inode;
  }

  close(): void {
    this.#db.close();
  }

  /** Closes after a failure, whatever that says. */
  discard(): void {
    try {
      this.#db.close();
    } catch {
      // It failed before, and nothing of it is needed.
    }
  }

  static remove(path: string): void {
    removeDerived(path);
  }

  #usedBytes(): number {
    const [pages, free, size] = ["page_count", "freelist_count", "page_size"].map((name) =>
      Number(this.#db.pragma(name, { simple: true })),
    ) as [number, number, number];
    return (pages - free) * size;
  }

  #free(): void {
    this.#deleteOldest.run(Math.ceil((this.#count.get() ?? 0) * FREED_SHARE));
  }
}

/** The file holds what SQLite did not put there, or not in one piece. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(?:CORRUPT|NOTADB|ERROR)/.test(String((error as { code?: unknown })?.code));
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function sumOf(digest: Buffer, vector: Buffer): Buffer {
  return createHash("sha256").update(digest).update(vector).digest().subarray(0, SUM_BYTES);
}

const SCHEMA = `
  CREATE TABLE vectors (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, sum BLOB NOT NULL,
    hour INTEGER NOT NULL);
  CREATE INDEX vectors_by_hour ON vectors (hour);
`;
