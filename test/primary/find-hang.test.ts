import assert from "node:assert/strict";
import { test } from "node:test";
import { HangFinder } from "../../primary/find-hang.js";
import { silentLog } from "./sources/memory-sink.js";

const PATIENCE_MS = 1000;

function finder(state: { began: number | undefined; disk: boolean }) {
  const hangs = new HangFinder({ turnBeganMs: () => state.began, waitsForDevice: () => state.disk, log: silentLog });
  return (nowMs: number) => hangs.look(PATIENCE_MS, nowMs);
}

test("a turn that lasts too long while nothing waits for a disk is a hang, once several looks have found it", () => {
  const look = finder({ began: 100, disk: false });
  for (const now of [500, 1200, 1300, 1400]) assert.equal(look(now), undefined);
  assert.match(look(61_600) ?? "", /has hung for 62 s/);
});

test("a slow disk is no hang, however long it takes, nor is one that has just answered", () => {
  const state = { began: 100, disk: true };
  const look = finder(state);
  for (let now = 2000; now < 100_000; now += 1000) assert.equal(look(now), undefined);
  state.disk = false;
  for (const now of [100_000, 100_001, 100_002]) assert.equal(look(now), undefined);
  state.disk = true;
  assert.equal(look(100_003), undefined);
  state.disk = false;
  assert.equal(look(100_004), undefined);
});

test("a ledger that writes, or has nothing to write, does not hang", () => {
  const state: { began: number | undefined; disk: boolean } = { began: 0, disk: false };
  const look = finder(state);
  for (let now = 2000; now < 50_000; now += 5000) {
    state.began = now - 1500;
    assert.equal(look(now), undefined);
  }
  state.began = undefined;
  for (let now = 50_000; now < 100_000; now += 5000) assert.equal(look(now), undefined);
});
