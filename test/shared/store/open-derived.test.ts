// A derived file that several processes open.
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { openDerived } from "../../../shared/store/open-derived.js";
import { withFolder } from "../../support/with-folder.js";

/** Makes a new file its own as one does that is about to write to it, for a while. */
const HOLDER = `
const { parentPort, workerData } = require("node:worker_threads");
const db = new (require("better-sqlite3"))(workerData);
db.exec("BEGIN IMMEDIATE");
parentPort.postMessage("held");
setTimeout(() => db.exec("ROLLBACK").close(), 300);`;

test("a new file that another holds for a moment is waited for", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "derived.db");
    const holder = new Worker(HOLDER, { eval: true, workerData: path });
    const ended = once(holder, "exit");
    await once(holder, "message");
    const file = { path, version: 1, schema: "CREATE TABLE t (x)", synchronous: "NORMAL" } as const;
    const journal = openDerived(file, (db) => {
      db.prepare("INSERT INTO t VALUES (1)").run();
      const mode = db.pragma("journal_mode", { simple: true });
      db.close();
      return mode;
    });
    assert.equal(journal, "wal");
    await ended;
    const again = new Database(path, { readonly: true });
    assert.equal(again.prepare("SELECT x FROM t").pluck().get(), 1);
    again.close();
  });
});
