import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { AppendedEvent } from "../../../../primary/event.js";
import { KnownElements } from "../../../../primary/sources/watch/known-elements.js";
import type { Entry } from "../../../../shared/format/entry.js";
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

function open(folder: string): KnownElements {
  const isWatched = (source: string) => source.startsWith("dbus:");
  return KnownElements.open({ path: join(folder, "known.db"), isWatched, log: silentLog });
}

async function openCaughtUp(folder: string, ledger: AppendedEvent[] = []): Promise<KnownElements> {
  const known = open(folder);
  await known.catchUp(readerOf(ledger).read, () => ledger.length);
  return known;
}

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
