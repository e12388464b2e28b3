// The newest entry of every element (height and hash) and the idempotency keys, up to one ledger size, in SQLite; on the
// primary, too, which actions each entry's element had before it. Derived from the ledger and disposable: the primary
// appends from it, the replica verifies the next entries against it.
// It is never ahead of what its owner has made durable without that being noticed: see `open`.
import type Database from "better-sqlite3";
import { addAction, NO_ACTIONS, type RecentActions } from "../embed/recent-actions.js";
import type { Entry } from "../format/entry.js";
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

type AddedEntry = Pick<Entry, "action" | "element_id" | "height">;

export interface KnownKey {
  seq: number;
  hash: string;
  /** Digest of what the event says, to tell a retry from another event under the same key. */
  digest: string;
}

/** A head as it is kept: `recent` are the element's last actions, that of the newest entry included. */
interface KeptHead extends ElementHead {
  recent: RecentActions;
}

interface HeadsMeta {
  size: number;
  /** Event hash of entry `size − 1`; empty at size 0. */
  lastHash: string;
}

const NEW_ELEMENT: KeptHead = { ...NO_HEAD, recent: NO_ACTIONS };
const SCHEMA_VERSION = 3;
const CODE_BYTES = 4;
/** What was before so many entries stands in one row: a row for each would make a range slow to read. */
const BLOCK_ENTRIES = 256;
/** Entries between those that are asked for, for each of them: past it each is looked up by itself. */
const MOST_BETWEEN = 8;
/** Heads kept in memory: about 200 bytes each. */
const CACHED_HEADS = 50_000;

export class ElementHeads implements HeadSource {
  readonly #db: Database.Database;
  readonly #cache = new Map<string, KeptHead>();
  readonly #changed = new Map<string, KeptHead>();
  /** Of the entries since the last commit, in their order. */
  #newRecent: RecentActions[] = [];
  /** Of the committed entries of the block under way. */
  #blockRecent: RecentActions[] = [];
  readonly #newKeys = new Map<string, KnownKey>();
  readonly #selectHead: Database.Statement<[string], KeptHead>;
  readonly #selectKey: Database.Statement<[string], KnownKey>;
  readonly #selectRecent: Database.Statement<[{ from: number; to: number }], { first: number; codes: Buffer }>;
  readonly #write: (meta: HeadsMeta, recent: readonly RecentActions[]) => void;
  #meta: HeadsMeta;

  private constructor(db: Database.Database) {
    this.#db = db;
    this.#selectHead = db.prepare("SELECT height, hash, recent FROM heads WHERE element_id = ?");
    this.#selectKey = db.prepare("SELECT seq, hash, digest FROM keys WHERE key = ?");
    this.#selectRecent = db.prepare(
      "SELECT first_seq AS first, codes FROM recent WHERE first_seq < @to AND first_seq >= " +
        "coalesce((SELECT max(first_seq) FROM recent WHERE first_seq <= @from), 0) ORDER BY first_seq",
    );
    this.#write = this.#prepareWrite();
    this.#meta = db.prepare("SELECT size, last_hash AS lastHash FROM meta").get() as HeadsMeta;
    const { size } = this.#meta;
    this.#blockRecent = [...this.#recentBetween(size - (size % BLOCK_ENTRIES), size)];
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
    return this.#kept(elementId);
  }

  /** For those that append nothing: which actions the element had is not kept. */
  setHead(elementId: string, { height, hash }: ElementHead): void {
    this.#changed.set(elementId, { height, hash, recent: NO_ACTIONS });
  }

  /** Takes in the next entry of the ledger, whose hash is `hash`. */
  addEntry({ element_id, action, height }: AddedEntry, hash: string): void {
    const { recent } = this.#kept(element_id);
    this.#changed.set(element_id, { height, hash, recent: addAction(recent, action) });
    this.#newRecent.push(recent);
  }

  /** What the elements of these entries had done before them. All of them were added and committed. */
  recentActions(seqs: readonly number[]): Uint32Array {
    if (seqs.length === 0) return new Uint32Array();
    const from = seqs.reduce((least, seq) => Math.min(least, seq));
    const to = seqs.reduce((most, seq) => Math.max(most, seq)) + 1;
    if (to - from > MOST_BETWEEN * seqs.length)
      return Uint32Array.from(seqs, (seq) => this.#recentBetween(seq, seq + 1)[0] ?? 0);
    const between = this.#recentBetween(from, to);
    return Uint32Array.from(seqs, (seq) => between[seq - from] ?? NO_ACTIONS);
  }

  key(key: string): KnownKey | undefined {
    return this.#newKeys.get(key) ?? this.#selectKey.get(key);
  }

  setKey(key: string, known: KnownKey): void {
    this.#newKeys.set(key, known);
  }

  /** Keeps what was set since the last commit, in one transaction. Survives a crash; may be lost in a power cut. */
  commit(size: number, lastHash: string): void {
    const added = this.#newRecent.length;
    if (added > 0 && this.#meta.size + added !== size) throw new Error(`${added} entries added do not make it ${size}`);
    const recent = [...this.#blockRecent, ...this.#newRecent];
    this.#write({ size, lastHash }, recent);
    if (added > 0) this.#blockRecent = recent.slice(recent.length - (recent.length % BLOCK_ENTRIES));
    this.#meta = { size, lastHash };
    for (const [elementId, head] of this.#changed) this.#remember(elementId, head);
    this.rollback();
  }

  /** Forgets what was set since the last commit. */
  rollback(): void {
    this.#newRecent = [];
    this.#changed.clear();
    this.#newKeys.clear();
  }

  clear(): void {
    this.rollback();
    this.#cache.clear();
    this.#db.exec("DELETE FROM heads; DELETE FROM keys; DELETE FROM recent; UPDATE meta SET size = 0, last_hash = ''");
    this.#meta = { size: 0, lastHash: "" };
    this.#blockRecent = [];
  }

  close(): void {
    this.#db.close();
  }

  #recentBetween(from: number, to: number): Uint32Array {
    const found = new Uint32Array(to - from);
    for (const { first, codes } of this.#selectRecent.all({ from, to })) {
      const end = Math.min(first + codes.length / CODE_BYTES, to);
      for (let seq = Math.max(first, from); seq < end; seq += 1) {
        found[seq - from] = codes.readUInt32LE((seq - first) * CODE_BYTES);
      }
    }
    return found;
  }

  #kept(elementId: string): KeptHead {
    const known = this.#changed.get(elementId) ?? this.#cache.get(elementId);
    if (known) return known;
    const stored = this.#selectHead.get(elementId);
    if (stored) this.#remember(elementId, stored);
    return stored ?? NEW_ELEMENT;
  }

  #remember(elementId: string, head: KeptHead): void {
    // Map order is insertion order: the first key is the one longest unused by a write.
    this.#cache.delete(elementId);
    this.#cache.set(elementId, head);
    if (this.#cache.size > CACHED_HEADS) this.#cache.delete(this.#cache.keys().next().value as string);
  }

  #prepareWrite(): (meta: HeadsMeta, recent: readonly RecentActions[]) => void {
    const putHead = this.#db.prepare(
      "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT (element_id) DO UPDATE SET height = excluded.height, " +
        "hash = excluded.hash, recent = excluded.recent",
    );
    const putKey = this.#db.prepare("INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?)");
    const putRecent = this.#db.prepare("INSERT OR REPLACE INTO recent VALUES (?, ?)");
    const putMeta = this.#db.prepare("UPDATE meta SET size = ?, last_hash = ?");
    return this.#db.transaction(({ size, lastHash }: HeadsMeta, recent: readonly RecentActions[]) => {
      for (const [elementId, { height, hash, recent }] of this.#changed) putHead.run(elementId, height, hash, recent);
      for (const [key, { seq, hash, digest }] of this.#newKeys) putKey.run(key, seq, hash, digest);
      if (this.#newRecent.length > 0) {
        for (let at = 0; at < recent.length; at += BLOCK_ENTRIES) {
          putRecent.run(size - recent.length + at, bytesOfCodes(recent.slice(at, at + BLOCK_ENTRIES)));
        }
      }
      putMeta.run(size, lastHash);
    });
  }
}

/** One code for each entry of a block. */
function bytesOfCodes(codes: readonly RecentActions[]): Buffer {
  const bytes = Buffer.allocUnsafe(codes.length * CODE_BYTES);
  for (const [i, code] of codes.entries()) bytes.writeUInt32LE(code, i * CODE_BYTES);
  return bytes;
}

const SCHEMA = `
  CREATE TABLE heads (element_id TEXT PRIMARY KEY, height INTEGER NOT NULL, hash TEXT NOT NULL,
    recent INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE recent (first_seq INTEGER PRIMARY KEY, codes BLOB NOT NULL);
  CREATE TABLE keys (key TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE meta (size INTEGER NOT NULL, last_hash TEXT NOT NULL);
  INSERT INTO meta VALUES (0, '');
`;
