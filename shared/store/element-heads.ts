// The newest entry of every element (height and hash) and the idempotency keys, up to one ledger size, in SQLite.
// Derived from the ledger and disposable: the primary appends from it, the replica verifies the next entries against it.
// It is never ahead of what its owner has made durable without that being noticed: see `open`.
import type Database from "better-sqlite3";
import { GENESIS_HASH } from "../format/hash.js";
import { openDerived } from "./open-derived.js";

export interface ElementHead {
  height: number;
  hash: string;
}

/** What a chain link is checked against. An element that has no entry yet has height −1 and the genesis hash. */
export interface HeadSource {
  head(elementId: string): ElementHead;
}

export const NO_HEAD: ElementHead = { height: -1, hash: GENESIS_HASH };

export interface KnownKey {
  seq: number;
  hash: string;
  /** Digest of what the event says, to tell a retry from another event under the same key. */
  digest: string;
}

interface HeadsMeta {
  size: number;
  /** Event hash of entry `size − 1`; empty at size 0. */
  lastHash: string;
}

const SCHEMA_VERSION = 1;
/** Heads kept in memory: about 200 bytes each. */
const CACHED_HEADS = 50_000;

export class ElementHeads implements HeadSource {
  readonly #db: Database.Database;
  readonly #cache = new Map<string, ElementHead>();
  readonly #changed = new Map<string, ElementHead>();
  readonly #newKeys = new Map<string, KnownKey>();
  readonly #selectHead: Database.Statement<[string], ElementHead>;
  readonly #selectKey: Database.Statement<[string], KnownKey>;
  readonly #write: (meta: HeadsMeta) => void;
  #meta: HeadsMeta;

  private constructor(db: Database.Database) {
    this.#db = db;
    this.#selectHead = db.prepare("SELECT height, hash FROM heads WHERE element_id = ?");
    this.#selectKey = db.prepare("SELECT seq, hash, digest FROM keys WHERE key = ?");
    this.#write = this.#prepareWrite();
    this.#meta = db.prepare("SELECT size, last_hash AS lastHash FROM meta").get() as HeadsMeta;
  }

  /**
   * Opens the file, or starts an empty one where it is missing, damaged or of another version. The caller compares
   * `size` and `lastHash` with the ledger: ahead of it, or of another history, it must be cleared with `clear`.
   */
  static open(path: string): ElementHeads {
    return openDerived(
      { path, version: SCHEMA_VERSION, schema: SCHEMA, synchronous: "NORMAL" },
      (db) => new ElementHeads(db),
    );
  }

  /** Entries that are accounted for. */
  get size(): number {
    return this.#meta.size;
  }
  get lastHash(): string {
    return this.#meta.lastHash;
  }

  head(elementId: string): ElementHead {
    const known = this.#changed.get(elementId) ?? this.#cache.get(elementId);
    if (known) return known;
    const stored = this.#selectHead.get(elementId);
    if (stored) this.#remember(elementId, stored);
    return stored ?? NO_HEAD;
  }

  setHead(elementId: string, head: ElementHead): void {
    this.#changed.set(elementId, head);
  }

  key(key: string): KnownKey | undefined {
    return this.#newKeys.get(key) ?? this.#selectKey.get(key);
  }

  setKey(key: string, known: KnownKey): void {
    this.#newKeys.set(key, known);
  }

  /** Keeps what was set since the last commit, in one transaction. Survives a crash; may be lost in a power cut. */
  commit(size: number, lastHash: string): void {
    this.#write({ size, lastHash });
    this.#meta = { size, lastHash };
    for (const [elementId, head] of this.#changed) this.#remember(elementId, head);
    this.#changed.clear();
    this.#newKeys.clear();
  }

  /** Forgets what was set since the last commit. */
  rollback(): void {
    this.#changed.clear();
    this.#newKeys.clear();
  }

  clear(): void {
    this.rollback();
    this.#cache.clear();
    this.#db.exec("DELETE FROM heads; DELETE FROM keys; UPDATE meta SET size = 0, last_hash = ''");
    this.#meta = { size: 0, lastHash: "" };
  }

  close(): void {
    this.#db.close();
  }

  #remember(elementId: string, head: ElementHead): void {
    // Map order is insertion order: the first key is the one longest unused by a write.
    this.#cache.delete(elementId);
    this.#cache.set(elementId, head);
    if (this.#cache.size > CACHED_HEADS) this.#cache.delete(this.#cache.keys().next().value as string);
  }

  #prepareWrite(): (meta: HeadsMeta) => void {
    const putHead = this.#db.prepare(
      "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT (element_id) DO UPDATE SET height = excluded.height, hash = excluded.hash",
    );
    const putKey = this.#db.prepare("INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?)");
    const putMeta = this.#db.prepare("UPDATE meta SET size = ?, last_hash = ?");
    return this.#db.transaction(({ size, lastHash }: HeadsMeta) => {
      for (const [elementId, { height, hash }] of this.#changed) putHead.run(elementId, height, hash);
      for (const [key, { seq, hash, digest }] of this.#newKeys) putKey.run(key, seq, hash, digest);
      putMeta.run(size, lastHash);
    });
  }
}

const SCHEMA = `
  CREATE TABLE heads (element_id TEXT PRIMARY KEY, height INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE keys (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE meta (size INTEGER NOT NULL, last_hash TEXT NOT NULL);
  INSERT INTO meta VALUES (0, '');
`;
