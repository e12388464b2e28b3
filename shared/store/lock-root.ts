// One daemon to a root. Two would append at the same places of one ledger, or promote over each other, and sockets alone
// do not keep them apart: another `run_dir` is another set of sockets. The lock is SQLite's own on a file of the root: a
// POSIX record lock, which ends with its process, however that ends, and which no child inherits.
import { join } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "./store-error.js";

export interface RootLock {
  release(): void;
}

/** Taken before anything in the root is changed. @throws StoreError `in-use` while another daemon holds it */
export function lockRoot(root: string): RootLock {
  const db = new Database(join(root, "lock"), { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if ((cause as { code?: unknown }).code !== "SQLITE_BUSY") throw cause;
    throw new StoreError("in-use", `another daemon serves ${root}`, {
      cause,
      hint: "`systemctl status 'isochron-*'` or `pgrep -af isochron` shows it; stop it first",
    });
  }
  return { release: () => db.close() };
}
