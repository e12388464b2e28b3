// The heads of elements and what they did before each entry: kept by commits, found again by sequence number.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { addAction, NO_ACTIONS } from "../../../shared/embed/recent-actions.js";
import { ElementHeads, NO_HEAD } from "../../../shared/store/element-heads.js";
import { withFolder } from "../../support/with-folder.js";

const ACTIONS = ["added", "started", "failed", "stopped", "reloaded", "modified", "removed"];

interface Written {
  heads: ElementHeads;
  path: string;
  /** What is expected of each entry. */
  recent: number[];
}

/** `commits` of so many entries each, of five elements that have their actions in orders of their own. */
async function withEntries(
  commits: readonly number[],
  body: (written: Written) => Promise<void> | void,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "heads.db");
    const heads = ElementHeads.open(path);
    const recent: number[] = [];
    const before = new Map<string, number>();
    for (const entries of commits) {
      for (let i = 0; i < entries; i += 1) {
        const seq = recent.length;
        const element_id = `unit:${(seq * 7) % 5}`;
        const action = ACTIONS[(seq * seq) % ACTIONS.length] as string;
        recent.push(before.get(element_id) ?? NO_ACTIONS);
        before.set(element_id, addAction(before.get(element_id) ?? NO_ACTIONS, action));
        heads.addEntry({ element_id, action, height: Math.floor(seq / 5) }, `hash ${seq}`);
      }
      heads.commit(recent.length, `hash ${recent.length - 1}`);
    }
    await body({ heads, path, recent });
    heads.close();
  });
}

function upTo(end: number, step = 1): number[] {
  return Array.from({ length: Math.ceil(end / step) }, (_, i) => i * step);
}

test("what an element did before an entry is found for every entry, however commits lie and whatever is asked", () =>
  withEntries([1, 1, 30, 1, 222, 1, 1, 600, 2, 15], ({ heads, recent }) => {
    assert.deepEqual([...heads.recentActions(upTo(874))], recent);
    for (const step of [3, 7, 8, 9, 100]) {
      const seqs = upTo(874, step);
      assert.deepEqual(
        [...heads.recentActions(seqs)],
        seqs.map((seq) => recent[seq]),
        `every ${step}th`,
      );
    }
    for (const seq of [0, 1, 2, 31, 254, 255, 256, 257, 511, 512, 767, 768, 873])
      assert.equal(heads.recentActions([seq])[0], recent[seq]);
    assert.deepEqual([...heads.recentActions([873, 5, 40])], [recent[873], recent[5], recent[40]]);
    assert.deepEqual([...heads.recentActions([])], []);
  }));

test("a block that was begun before a restart is gone on with", () =>
  withEntries([300], ({ path, recent }) => {
    const again = ElementHeads.open(path);
    for (let i = 0; i < 300; i += 1) again.addEntry({ element_id: "x", action: `${i}`, height: i }, `hash ${i}`);
    again.commit(600, "hash 599");
    const all = [...again.recentActions(upTo(600))];
    assert.deepEqual(all.slice(0, 300), recent);
    assert.deepEqual(all.slice(300, 303), [
      NO_ACTIONS,
      addAction(NO_ACTIONS, "0"),
      addAction(addAction(NO_ACTIONS, "0"), "1"),
    ]);
    assert.ok(all.slice(301).every((one) => one !== NO_ACTIONS));
    again.close();
  }));

test("heads and what was before them outlive a restart", () =>
  withEntries([10, 10], ({ path, recent }) => {
    const again = ElementHeads.open(path);
    assert.deepEqual([...again.recentActions(upTo(20))], recent);
    assert.deepEqual({ ...again.head("unit:0") }.hash, "hash 15");
    again.addEntry({ element_id: "unit:0", action: "added", height: 4 }, "hash 20");
    again.commit(21, "hash 20");
    assert.equal(again.recentActions([20])[0], addAction(recent[15] as number, ACTIONS[(15 * 15) % 7] as string));
    again.close();
  }));

test("entries that were rolled back leave nothing behind", () =>
  withEntries([5], ({ heads, recent }) => {
    const add = () => heads.addEntry({ element_id: "unit:0", action: "started", height: 1 }, "hash 5");
    add();
    heads.rollback();
    assert.equal(heads.head("unit:0").hash, "hash 0");
    add();
    heads.commit(6, "hash 5");
    assert.equal(heads.recentActions([5])[0], addAction(recent[0] as number, "added"));
  }));

test("a commit of another size than what was added is refused", () =>
  withEntries([5], ({ heads }) => {
    heads.addEntry({ element_id: "unit:0", action: "started", height: 1 }, "hash 5");
    assert.throws(() => heads.commit(7, "hash 6"), /1 entries added do not make it 7/);
    heads.rollback();
  }));

test("what was cleared is built again as it was", () =>
  withEntries([40], ({ heads }) => {
    heads.clear();
    assert.deepEqual({ ...heads.head("unit:0") }.height, NO_HEAD.height);
    heads.addEntry({ element_id: "unit:0", action: "started", height: 0 }, "hash 0");
    heads.commit(1, "hash 0");
    assert.deepEqual([...heads.recentActions([0])], [NO_ACTIONS]);
  }));

test("a replica keeps heads alone", () =>
  withFolder((folder) => {
    const heads = ElementHeads.open(join(folder, "heads.db"));
    heads.setHead("unit:0", { height: 7, hash: "seven" });
    heads.commit(100, "last");
    assert.equal(heads.head("unit:0").height, 7);
    assert.deepEqual([heads.size, heads.lastHash], [100, "last"]);
    heads.close();
    return Promise.resolve();
  }));
