// The yardstick of `relevance`: SQLite's FTS5 alone, in memory, with Porter's stemmer, any of the question's words, over
// the texts of the states.
import Database from "better-sqlite3";
import type { FleetEvent } from "../../support/drive-fleet.js";

export class PlainBm25 {
  readonly #db: Database.Database;

  private constructor(db: Database.Database) {
    this.#db = db;
  }

  static of(events: readonly FleetEvent[]): PlainBm25 {
    const db = new Database(":memory:");
    db.exec("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter unicode61')");
    const insert = db.prepare("INSERT INTO texts (rowid, text) VALUES (?, ?)");
    db.transaction(() => {
      for (const [index, { state_snapshot }] of events.entries()) insert.run(index, textOf(state_snapshot));
    })();
    return new PlainBm25(db);
  }

  /** Indexes of events, best first. */
  search(question: string, limit: number): number[] {
    const words = question.match(/[\p{L}\p{N}]+/gu) ?? [];
    if (words.length === 0) return [];
    const sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY bm25(texts), rowid LIMIT ?";
    const any = words.map((word) => `"${word}"`).join(" OR ");
    return this.#db.prepare(sql).pluck().all(any, limit) as number[];
  }
}

/** The message where there is one; else all texts and numbers of the state. */
function textOf(state: unknown): string {
  if (typeof state !== "object" || state === null) return String(state ?? "");
  const { message } = state as { message?: unknown };
  return typeof message === "string" ? message : Object.values(state).map(textOf).join(" ");
}
