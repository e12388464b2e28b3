// The file that remembers which fills were asked for.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type FillOrder, FillRecord } from "../../../../primary/vectorize/fill/fill-record.js";
import { withFolder } from "../../../support/with-folder.js";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function order(id: string, more: Partial<FillOrder> = {}): FillOrder {
  return {
    ...{ id, level: "heuristic", space: "heuristic-0123456789ab", from: 0, to: 100, priorities: ["critical", "low"] },
    ...{ asked_at: "2026-11-20T10:05:00.123456Z", paused: false, done_below: 0 },
    ...more,
  };
}

function withRecord(body: (open: () => Promise<FillRecord>, path: string) => Promise<void>): Promise<void> {
  return withFolder((folder) => {
    const path = join(folder, "fills.json");
    return body(() => FillRecord.open(path, silent), path);
  });
}

describe("the record of fills", () => {
  test("holds an order over restarts, with what became of it, until it is removed", () =>
    withRecord(async (open) => {
      const first = await open();
      assert.deepEqual(first.orders, []);
      const asked = order("one");
      await first.put(asked);
      asked.paused = true;
      assert.equal((await open()).orders[0]?.paused, false);
      await first.put(asked);
      const second = await open();
      assert.deepEqual(second.orders, [asked]);
      await second.put(order("two"));
      await second.remove("one");
      assert.deepEqual((await open()).orders, [order("two")]);
    }));

  test("is written again only where a fill is many events further, or is another one", () =>
    withRecord(async (open, path) => {
      const record = await open();
      const later = (done_below: number) => [{ space: "medium-0", priorities: ["critical" as const], done_below }];
      await record.progress([], later(10), 100);
      assert.equal((await open()).laterDoneBelow("medium-0", ["critical"]), 10);
      const before = await readFile(path, "utf8");
      await record.progress([], later(90), 100);
      assert.equal(await readFile(path, "utf8"), before);
      await record.progress([], later(110), 100);
      assert.equal((await open()).laterDoneBelow("medium-0", ["critical"]), 110);
      await record.progress([order("one")], later(111), 100);
      assert.equal((await open()).laterDoneBelow("medium-0", ["critical"]), 111);
    }));

  test("says of other priorities or another space that nothing is done", () =>
    withRecord(async (open) => {
      const record = await open();
      await record.progress([], [{ space: "medium-0", priorities: ["critical", "high"], done_below: 7 }], 1);
      assert.equal(record.laterDoneBelow("medium-0", ["high", "critical"]), 7);
      assert.equal(record.laterDoneBelow("medium-0", ["critical"]), 0);
      assert.equal(record.laterDoneBelow("medium-1", ["critical", "high"]), 0);
    }));

  test("that cannot be read asks for nothing, and is told", () =>
    withRecord(async (_, path) => {
      for (const text of [
        "{",
        '{"orders":[{}],"later":[]}',
        JSON.stringify({ orders: [order("a", { to: -1 })], later: [] }),
      ]) {
        await writeFile(path, text);
        const errors: string[] = [];
        const record = await FillRecord.open(path, { ...silent, error: (message) => errors.push(message) });
        assert.deepEqual(record.orders, []);
        assert.match(errors[0] ?? "", /ask again with reembed/);
      }
    }));
});
