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
}

/** What `use` makes of the open file. @throws what opening a file that was just made fails with */
export function openDerived<T>(file: DerivedFile, use: (db: Database.Database) => T): T {
  try {
    return openOnce(file, use);
  } catch {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file.path + suffix, { force: true });
    return openOnce(file, use);
  }
}

function openOnce<T>({ path, version, schema, synchronous, pragmas = [], prepare }: DerivedFile, use: Use<T>): T {
  prepare?.();
  const db = new Database(path);
  try {
    for (const pragma of ["journal_mode = WAL", `synchronous = ${synchronous}`, ...pragmas]) db.pragma(pragma);
    const found = db.pragma("user_version", { simple: true });
    if (found === 0) createSchema(db, schema, version);
    else if (found !== version) throw new Error(`${path} is of version ${found}`);
    if (db.pragma("quick_check(1)", { simple: true }) !== "ok") throw new Error(`${path} is damaged`);
    return use(db);
  } catch (cause) {
    db.close();
    throw cause;
  }
}

type Use<T> = (db: Database.Database) => T;

function createSchema(db: Database.Database, schema: string, version: number): void {
  db.transaction(() => {
    db.exec(schema);
    db.pragma(`user_version = ${version}`);
  })();
}
