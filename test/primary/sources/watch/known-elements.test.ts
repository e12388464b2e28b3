import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import type { AppendedEvent } from "../../../../primary/event.js";
import { KnownElements } from "../../../../primary/sources/watch/known-elements.js";
import type { Entry } from "../../../../shared/format/entry.js";
import type { Logger } from "../../../../shared/log.js";
import { until } from "../../../support/until.js";
import { withFolder } from "../../../support/with-folder.js";
import { silentLog } from "../memory-sink.js";

const SOURCE = "dbus:test1";

function event(seq: number, more: Partial<Entry> = {}, stateJson = `{"seq":${seq}}`): AppendedEvent {
  const entry = { element_id: `unit:${seq % 3}`, element_type: "Unit", source: SOURCE, recorded: timeOf(seq) };
  return { seq, entry: { ...entry, payload_hash: `hash ${seq}`, ...more } as Entry, stateJson };
}

function timeOf(seq: number): string {
  return `2026-11-20T10:${String(Math.floor(seq / 60) % 60).padStart(2, "0")}:${String(seq % 60).padStart(2, "0")}.000000Z`;
}

/** A ledger of which events can be read back. */
function readerOf(events: AppendedEvent[]) {
  const asked: number[] = [];
  const read = async (from: number, limit: number) => {
    asked.push(from);
    return events.slice(from, from + Math.min(limit, 2));
  };
  return { read, asked };
}

function open(folder: string, log: Logger = silentLog): KnownElements {
  const isWatched = (source: string) => source.startsWith("dbus:");
  return KnownElements.open({ path: join(folder, "known.db"), isWatched, log });
}

async function openCaughtUp(folder: string, ledger: AppendedEvent[] = [], log?: Logger): Promise<KnownElements> {
  const known = open(folder, log);
  await known.catchUp(readerOf(ledger).read, () => ledger.length);
  return known;
}

/** Keeps others from writing to the file, until `release`. */
function lock(folder: string): { release(): void } {
  const db = new Database(join(folder, "known.db"));
  db.exec("BEGIN IMMEDIATE");
  return { release: () => db.close() };
}

/** What the file itself has. */
function onDisk(folder: string) {
  const db = new Database(join(folder, "known.db"), { readonly: true });
  const column = (sql: string) => db.prepare(sql).pluck();
  const states = column("SELECT state FROM elements ORDER BY element_id").all();
  const file = { states, size: column("SELECT size FROM meta").get(), seen: column("SELECT seen FROM sources").get() };
  db.close();
  return file;
}

/** A log that keeps level and message. */
function keptLog(): { log: Logger; records: string[] } {
  const records: string[] = [];
  const keep = (level: string) => (message: string) => void records.push(`${level}: ${message}`);
  return { log: { debug: () => undefined, info: keep("info"), warn: keep("warn"), error: keep("error") }, records };
}

const states = (known: KnownElements) => [...known.list(SOURCE)].map(({ stateJson }) => stateJson).sort();

const LEDGER = Array.from({ length: 7 }, (_, seq) => event(seq));

test("the newest state of each element is known, by source, and only of watched ones", async () => {
  await withFolder(async (folder) => {
    const known = await openCaughtUp(folder);
    known.appended([...LEDGER, event(7, { source: "socket", element_id: "unit:9" })]);
    assert.deepEqual(
      [...known.list(SOURCE)].map(({ elementId, stateJson }) => [elementId, stateJson]),
      [
        ["unit:0", '{"seq":6}'],
        ["unit:1", '{"seq":4}'],
        ["unit:2", '{"seq":5}'],
      ],
    );
    assert.equal(known.get("dbus:other", "unit:0"), undefined);
    assert.equal(known.get("socket", "unit:9"), undefined);
    known.close();
  });
});

test("what is gone is known, and not listed any more", async () => {
  await withFolder(async (folder) => {
    const known = await openCaughtUp(folder);
    const gone = { ...event(7, { element_id: "unit:1" }), stateJson: '{"change":{"unseen":true}}' };
    known.appended([...LEDGER, gone]);
    assert.equal(known.get(SOURCE, "unit:1")?.stateJson, "{}");
    assert.deepEqual(
      [...known.list(SOURCE)].map(({ elementId }) => elementId),
      ["unit:0", "unit:2"],
    );
    known.close();
  });
});

test("what was missed is read from the ledger, from where the file ends", async () => {
  await withFolder(async (folder) => {
    let known = await openCaughtUp(folder);
    known.appended(LEDGER.slice(0, 4));
    known.close();
    known = open(folder);
    const { read, asked } = readerOf(LEDGER);
    await known.catchUp(read, () => LEDGER.length);
    assert.deepEqual(asked, [3, 4, 6]);
    assert.equal(known.get(SOURCE, "unit:0")?.stateJson, '{"seq":6}');
    known.close();
  });
});

test("a file that is missing, rubbish, or of another ledger is read anew", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "known.db");
    const spoil: (() => Promise<void>)[] = [
      async () => undefined,
      () => rm(path),
      () => writeFile(path, "rubbish ".repeat(1000)),
      async () => {
        const bytes = await readFile(path);
        await writeFile(path, bytes.fill(0x41, 4096));
      },
    ];
    for (const act of spoil) {
      await act();
      const known = open(folder);
      const { read } = readerOf(LEDGER);
      await known.catchUp(read, () => LEDGER.length);
      assert.equal([...known.list(SOURCE)].length, 3);
      known.close();
    }
    const other = LEDGER.map(({ seq }) => event(seq, { payload_hash: `other ${seq}`, element_id: "unit:other" }));
    for (const ledger of [other, other.slice(0, 5)]) {
      const known = open(folder);
      await known.catchUp(readerOf(ledger).read, () => ledger.length);
      assert.deepEqual(
        [...known.list(SOURCE)].map(({ elementId }) => elementId),
        ["unit:other"],
      );
      known.close();
    }
  });
});

test("how far a source has seen is what it says, and what its entries say where that was lost; it never goes back", async () => {
  await withFolder(async (folder) => {
    const empty = await openCaughtUp(folder);
    assert.equal(empty.seenUntil(SOURCE), undefined);
    empty.close();
    const known = await openCaughtUp(folder, LEDGER.slice(0, 5));
    assert.equal(known.seenUntil(SOURCE), timeOf(4));
    known.appended(LEDGER);
    assert.equal(known.seenUntil(SOURCE), timeOf(4));
    known.setSeenUntil(SOURCE, timeOf(3));
    assert.equal(known.seenUntil(SOURCE), timeOf(4));
    known.setSeenUntil(SOURCE, timeOf(9));
    assert.equal(known.seenUntil(SOURCE), timeOf(9));
    known.close();
  });
});

test("a list may be read while elements are written", async () => {
  await withFolder(async (folder) => {
    const known = await openCaughtUp(folder);
    known.appended(Array.from({ length: 2500 }, (_, seq) => event(seq, { element_id: `unit:${10_000 + seq}` })));
    let seen = 0;
    for (const { elementId } of known.list(SOURCE)) {
      if (seen % 500 === 0) known.appended([event(2500 + seen, { element_id: elementId })]);
      seen += 1;
    }
    assert.equal(seen, 2500);
    known.close();
  });
});

test("what is appended while it catches up is neither missed nor taken twice", async () => {
  await withFolder(async (folder) => {
    const known = open(folder);
    let size = 3;
    const read = async (from: number, limit: number) => {
      // The ledger tells of its fourth event while the first are read.
      if (size === 3) known.appended([LEDGER[3] as AppendedEvent]);
      size = 5;
      return LEDGER.slice(from, Math.min(from + limit, from + 2));
    };
    await known.catchUp(read, () => size);
    known.appended(LEDGER.slice(4));
    assert.deepEqual(
      [...known.list(SOURCE)].map(({ stateJson }) => stateJson),
      ['{"seq":6}', '{"seq":4}', '{"seq":5}'],
    );
    known.close();
  });
});

test("a time that cannot be noted harms nobody", async () => {
  await withFolder(async (folder) => {
    const known = await openCaughtUp(folder);
    known.close();
    known.setSeenUntil(SOURCE, timeOf(1));
  });
});

test("what cannot be written is known all the same, and is written first once it can be", async () => {
  await withFolder(async (folder) => {
    const { log, records } = keptLog();
    const known = await openCaughtUp(folder, LEDGER.slice(0, 3), log);
    const other = lock(folder);
    for (const one of LEDGER.slice(3, 5)) known.appended([one]);
    known.appended([{ ...event(5), stateJson: "{}" }, event(6, { element_id: "unit:new" })]);
    known.setSeenUntil(SOURCE, timeOf(6));
    assert.equal(known.get(SOURCE, "unit:1")?.stateJson, '{"seq":4}');
    assert.equal(known.get(SOURCE, "unit:2")?.stateJson, "{}");
    assert.deepEqual(states(known), ['{"seq":3}', '{"seq":4}', '{"seq":6}']);
    const before = { states: ['{"seq":0}', '{"seq":1}', '{"seq":2}'], size: 3, seen: timeOf(2) };
    assert.deepEqual(onDisk(folder), before);
    other.release();
    await until(() => {
      known.setSeenUntil(SOURCE, timeOf(7));
      const file = onDisk(folder);
      // A time that is ahead of the elements would hide what a crash loses.
      assert.equal(file.seen, file.size === 7 ? timeOf(7) : timeOf(2));
      return file.size === 7;
    });
    assert.deepEqual(onDisk(folder).states, ['{"seq":3}', '{"seq":4}', "{}", '{"seq":6}']);
    known.appended([event(7)]);
    assert.deepEqual(onDisk(folder).size, 8);
    assert.deepEqual(records, [
      "error: known elements cannot be written: they are kept in memory until they can",
      "info: known elements are written again",
    ]);
    known.close();
  });
});

test("what could not be written is written at the end, or read from the ledger at the next start", async () => {
  await withFolder(async (folder) => {
    for (const isFree of [true, false]) {
      const known = await openCaughtUp(folder, LEDGER.slice(0, 3));
      const other = lock(folder);
      known.appended(LEDGER.slice(3));
      if (isFree) other.release();
      known.close();
      assert.equal(onDisk(folder).size, isFree ? 7 : 3);
      if (!isFree) other.release();
      const next = await openCaughtUp(folder, LEDGER);
      assert.deepEqual(states(next), ['{"seq":4}', '{"seq":5}', '{"seq":6}']);
      next.close();
      await rm(join(folder, "known.db"));
    }
  });
});

test("past what memory may hold, what the file does not have is not taken for known until a restart", async () => {
  await withFolder(async (folder) => {
    const { log, records } = keptLog();
    const known = await openCaughtUp(folder, LEDGER, log);
    const other = lock(folder);
    const big = `{"big":"${"x".repeat(1024 * 1024)}"}`;
    const ledger = [...LEDGER, ...Array.from({ length: 65 }, (_, i) => event(7 + i, { element_id: `big:${i}` }, big))];
    for (const one of ledger.slice(7)) known.appended([one]);
    ledger.push(event(72, { element_id: "unit:0" }), event(73, { element_id: "big:0" }));
    known.appended(ledger.slice(72));
    assert.ok(known.get(SOURCE, "big:1")?.stateJson === big);
    assert.equal(known.get(SOURCE, "big:0")?.stateJson, '{"seq":73}');
    assert.equal(known.get(SOURCE, "unit:0"), undefined);
    other.release();
    known.setSeenUntil(SOURCE, timeOf(80));
    known.close();
    assert.deepEqual([onDisk(folder).size, onDisk(folder).seen], [7, timeOf(6)]);
    assert.deepEqual(records.slice(1), [
      "error: too much of known elements cannot be written: until a restart, events may repeat what is known",
    ]);
    const next = await openCaughtUp(folder, ledger);
    assert.equal(next.get(SOURCE, "unit:0")?.stateJson, '{"seq":72}');
    next.close();
  });
});
