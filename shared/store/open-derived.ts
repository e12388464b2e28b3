// SQLite files that are derived from a store: made anew, empty, where they are missing, damaged or of another version. What
// belongs into them is read again from the truth.
import { rmSync } from "node:fs";
import Database from "better-sqlite3";

export interface DerivedFile {
  path: string;
  /** `user_version`. A file of another one is made anew. */
  version: number;
  /** SQL that makes an empty file. */
  schema: string;
  /** With a WAL, NORMAL may lose the last transactions in a power cut, and never leaves half of one; OFF is for caches. */
  synchronous: "NORMAL" | "OFF";
  /** Further pragmas, set before anything is read or written. */
  pragmas?: readonly string[];
  /** Called before each opening. */
  prepare?: () => void;
  /** The file is not read through at its opening: its owner checks what it reads of it. */
  unchecked?: true;
}

/** As long as better-sqlite3 waits by itself where SQLite lets it. */
const BUSY_MS = 5000;
const LOOK_MS = 5;

/**
 * What `use` makes of the open file. Several processes may open one file at once.
 *
 * @throws what opening a file that was just made fails with, or SQLITE_BUSY where others hold it for 5 s
 */
export function openDerived<T>(file: DerivedFile, use: (db: Database.Database) => T): T {
  try {
    return openOnce(file, use);
  } catch (error) {
    // Held by others is not damaged: they would go on in a file that nobody else sees.
    if (isBusy(error)) throw error;
    removeDerived(file.path);
    return openOnce(file, use);
  }
}

/** Removes the file and those that SQLite has beside it. A process that has it open goes on in what it has, alone. */
export function removeDerived(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}

/** Whether an operation failed only because another process held the file. */
export function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown })?.code).startsWith("SQLITE_BUSY");
}

function openOnce<T>(file: DerivedFile, use: Use<T>): T {
  const { path, version, schema, synchronous, pragmas = [], prepare, unchecked } = file;
  prepare?.();
  const db = new Database(path);
  try {
    useWal(db);
    for (const pragma of [`synchronous = ${synchronous}`, ...pragmas]) db.pragma(pragma);
    if (versionOf(db) === 0) createSchema(db, schema, version);
    if (versionOf(db) !== version) throw new Error(`${path} is of version ${versionOf(db)}`);
    if (!unchecked && db.pragma("quick_check(1)", { simple: true }) !== "ok") throw new Error(`${path} is damaged`);
    return use(db);
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/** SQLite itself does not wait here for others that do the same, or write to a new file: it would see a deadlock in it. */
function useWal(db: Database.Database): void {
  const endMs = performance.now() + BUSY_MS;
  for (;;) {
    try {
      db.pragma("journal_mode = WAL");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > endMs) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
  }
}

type Use<T> = (db: Database.Database) => T;

function versionOf(db: Database.Database): unknown {
  return db.pragma("user_version", { simple: true });
}

/** Another process may have made it meanwhile. */
function createSchema(db: Database.Database, schema: string, version: number): void {
  db.transaction(() => {
    if (versionOf(db) !== 0) return;
    db.exec(schema);
    db.pragma(`user_version = ${version}`);
  }).immediate();
}
