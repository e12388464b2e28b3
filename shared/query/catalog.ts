// The catalog of one store (`index/catalog.db`): which events there are, where their bytes lie, and which words are in
// them. Derived and disposable. It must never answer for a generation that it was not filled from, whole.
//
// Durability: WAL with synchronous = NORMAL. A power cut can then lose the last transactions but cannot tear the file,
// and `meta` changes in the same transaction as the rows, so what is left is a true, older catalog that is caught up
// from there. That costs a sync per WAL checkpoint and needs no marker of a clean shutdown.
import Database from "better-sqlite3";
import { CATALOG_FORMAT, CATALOG_SCHEMA } from "./catalog-schema.js";
import type { Named } from "./tallies.js";
import { TallyWriter } from "./write-tallies.js";

export interface CatalogMeta {
  store: string;
  generation: number;
  /** Size and root of the checkpoint that the catalog answers for. */
  size: number;
  root: Buffer;
  /** Entries filled in so far; above `size` only while a catch-up is under way or was cut short. */
  filled: number;
}

/** The checkpoint that a catch-up ends at. */
type Complete = Pick<CatalogMeta, "generation" | "size" | "root">;

/** One event on its way into the catalog. */
export interface CatalogRow {
  seq: number;
  element: string;
  type: string;
  action: string;
  actor: string;
  source: string;
  priority: string;
  atMicros: number;
  height: number;
  hash: Buffer;
  entry: BytesPlace;
  payload: BytesPlace;
  /** Words of the reason and of the state; undefined leaves the event out of full text. */
  words: { reason: string; state: string } | undefined;
}

export interface BytesPlace {
  fileSeq: number;
  offset: number;
  length: number;
}

type NameTable = "elements" | "names";

/** The file is not a whole catalog of this format and this store: delete it and fill a new one. */
export class CatalogDamage extends Error {}

const WAL_PAGES = 4000;
const CACHE_KIB = 64 * 1024;
const BULK_HASH_BYTES = 16n * 1024n * 1024n;
const USUAL_HASH_BYTES = 1024n * 1024n;
/** Interned names kept in memory; past this the memory is dropped and filled again. */
const MOST_INTERNED = 100_000;

export class Catalog {
  readonly db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  readonly #fill: Database.Transaction<(rows: readonly CatalogRow[], complete: Complete | undefined) => void>;
  readonly #insert: Database.Statement;
  readonly #insertWords: Database.Statement;
  readonly #interned = { elements: new Map<string, number>(), names: new Map<string, number>() };
  readonly #store: string;
  readonly #lookUp: Record<NameTable, Database.Statement>;
  readonly #add: Record<NameTable, Database.Statement>;
  readonly #tallies: TallyWriter;

  private constructor(db: Database.Database, store: string) {
    this.db = db;
    this.#store = store;
    this.#insert = db.prepare(`INSERT INTO entries VALUES (${"?,".repeat(15)}?)`);
    this.#insertWords = db.prepare(
      "INSERT INTO words (rowid, element, type, action, actor, reason, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    const each = (sql: (table: NameTable) => string) => ({
      elements: db.prepare(sql("elements")),
      names: db.prepare(sql("names")),
    });
    this.#lookUp = each((table) => `SELECT id FROM ${table} WHERE name = ?`);
    this.#add = each((table) => `INSERT INTO ${table} (name) VALUES (?)`);
    this.#tallies = new TallyWriter(db);
    this.#fill = db.transaction((rows, complete) => this.#write(rows, complete));
  }

  /** Opens the catalog at `path`, or makes an empty one. @throws CatalogDamage, and what SQLite fails with: a full disk */
  static open(path: string, store: string): Catalog {
    let db: Database.Database | undefined;
    try {
      db = new Database(path);
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = NORMAL");
      db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
      db.pragma(`cache_size = -${CACHE_KIB}`);
      if (db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() === 0) makeTables(db, store);
      else checkWhole(db, store);
      return new Catalog(db, store);
    } catch (cause) {
      db?.close();
      // A table or a column that is not there: it is of another format.
      if ((cause as { code?: unknown }).code !== "SQLITE_ERROR") throw cause;
      throw new CatalogDamage(`the catalog cannot be used: ${(cause as Error).message}`, { cause });
    }
  }

  /** The statement of an SQL text, which is parsed once: that costs more than most of them take to run. */
  readonly prepare = (sql: string): Database.Statement => {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  };

  meta(): CatalogMeta {
    return this.prepare("SELECT store, generation, size, root, filled FROM meta").get() as CatalogMeta;
  }

  /** Adds rows in one transaction. `complete` ends a catch-up: from then on the catalog answers for that checkpoint. */
  fill(rows: readonly CatalogRow[], complete?: Complete): void {
    try {
      this.#fill(rows, complete);
    } catch (error) {
      // Ids that the transaction gave out are gone with it; a next attempt must not write rows that name them.
      for (const memory of Object.values(this.#interned)) memory.clear();
      this.#tallies.forget();
      throw error;
    }
  }

  /**
   * During a long catch-up full-text merges wait: merging as it goes reads the same words many times over. In ordinary
   * times they are spread in small steps over the writes, so that no single increment pays for a large one.
   */
  setBulk(bulk: boolean): void {
    const set = this.db.prepare("INSERT INTO words (words, rank) VALUES (?, ?)");
    // As BigInt: better-sqlite3 binds plain numbers as REAL, which FTS5 refuses here.
    set.run("automerge", bulk ? 0n : 4n);
    set.run("hashsize", bulk ? BULK_HASH_BYTES : USUAL_HASH_BYTES);
  }

  /** Folds the WAL into the file, so that a later start need not. */
  close(): void {
    this.db.close();
  }

  get store(): string {
    return this.#store;
  }

  #write(rows: readonly CatalogRow[], complete: Complete | undefined): void {
    for (const row of rows) this.#insertRow(row);
    this.#tallies.flush();
    const last = rows.at(-1);
    if (last) this.prepare("UPDATE meta SET filled = ?").run(last.seq + 1);
    if (!complete) return;
    const { generation, size, root } = complete;
    this.prepare("UPDATE meta SET generation = ?, size = ?, root = ?").run(generation, size, root);
  }

  #idsOf(row: CatalogRow): Named<number> {
    return {
      type: this.#intern("names", row.type),
      action: this.#intern("names", row.action),
      actor: this.#intern("names", row.actor),
      source: this.#intern("names", row.source),
      priority: this.#intern("names", row.priority),
    };
  }

  #insertRow(row: CatalogRow): void {
    const element = this.#intern("elements", row.element);
    const names = this.#idsOf(row);
    this.#insert.run(
      row.seq,
      element,
      names.type,
      names.action,
      names.actor,
      names.source,
      names.priority,
      row.atMicros,
      row.height,
      row.hash,
      row.entry.fileSeq,
      row.entry.offset,
      row.entry.length,
      row.payload.fileSeq,
      row.payload.offset,
      row.payload.length,
    );
    this.#tallies.add(names, element, row.element);
    if (!row.words) return;
    const { reason, state } = row.words;
    this.#insertWords.run(row.seq, row.element, typeWords(row.type), row.action, row.actor, reason, state);
  }

  #intern(table: NameTable, name: string): number {
    const memory = this.#interned[table];
    const known = memory.get(name);
    if (known !== undefined) return known;
    if (memory.size >= MOST_INTERNED) memory.clear();
    const stored = this.#lookUp[table].get(name) as { id: number } | undefined;
    const id = stored?.id ?? Number(this.#add[table].run(name).lastInsertRowid);
    memory.set(name, id);
    return id;
  }
}

/** `NetworkInterface` is found by "network" and "interface" as well as by its own name. */
function typeWords(type: string): string {
  return `${type} ${type.replace(/([a-z0-9])([A-Z])/g, "$1 $2")}`;
}

function makeTables(db: Database.Database, store: string): void {
  db.transaction(() => {
    db.exec(CATALOG_SCHEMA);
    const none = Buffer.alloc(0);
    db.prepare("INSERT INTO meta VALUES (0, ?, ?, 0, 0, ?, 0)").run(store, CATALOG_FORMAT, none);
  })();
}

function checkWhole(db: Database.Database, store: string): void {
  const meta = db.prepare("SELECT store, format, filled FROM meta").get() as
    | { store: string; format: number; filled: number }
    | undefined;
  if (meta?.format !== CATALOG_FORMAT) throw new CatalogDamage(`the catalog's format is ${meta?.format}`);
  if (meta.store !== store) throw new CatalogDamage(`the catalog is of store ${meta.store}`);
  const found = db.pragma("quick_check(1)", { simple: true });
  if (found !== "ok") throw new CatalogDamage(`SQLite finds: ${found}`);
  const last = db.prepare("SELECT max(seq) FROM entries").pluck().get() as number | null;
  if ((last ?? -1) !== meta.filled - 1) throw new CatalogDamage(`the catalog ends at ${last}, not ${meta.filled - 1}`);
}
