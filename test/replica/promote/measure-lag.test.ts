import assert from "node:assert/strict";
import { test } from "node:test";
import { LagMeter } from "../../../replica/promote/measure-lag.js";

const at = (size: number, generation: number) => ({ size, generation });

test("nothing is known before the primary has said anything", () => {
  assert.equal(new LagMeter().lag(at(10, 1), 5_000), undefined);
});

test("lag is 0 while all that was told of is here, however long the primary has been silent", () => {
  const meter = new LagMeter();
  meter.heard(at(10, 1), at(10, 1), 1_000);
  assert.deepEqual(meter.lag(at(10, 1), 900_000), { entriesSeconds: 0, generationsSeconds: 0, entriesBehind: 0 });
  assert.deepEqual(meter.told, { size: 10, generation: 1, atMs: 1_000 });
});

test("lag grows from when the oldest missing entry was told of, not from when the newest was", () => {
  const meter = new LagMeter();
  meter.heard(at(12, 1), at(10, 1), 1_000);
  meter.heard(at(20, 2), at(10, 1), 4_000);
  meter.heard(at(20, 2), at(10, 1), 6_000);
  assert.deepEqual(meter.lag(at(10, 1), 8_000), { entriesSeconds: 7, generationsSeconds: 4, entriesBehind: 10 });
});

test("a primary that is always a little ahead does not look as if nothing ever arrived", () => {
  const meter = new LagMeter();
  for (let second = 0; second < 100; second += 1) {
    const held = at(second * 10, second);
    meter.heard(at(second * 10 + 10, second + 1), held, second * 1000);
    assert.ok((meter.lag(held, second * 1000 + 999)?.entriesSeconds ?? 9) < 1, `second ${second}`);
  }
});

test("entries that wait for their seal are behind, and no generation is", () => {
  const meter = new LagMeter();
  meter.heard(at(15, 3), at(10, 3), 0);
  assert.deepEqual(meter.lag(at(10, 3), 30_000), { entriesSeconds: 30, generationsSeconds: 0, entriesBehind: 5 });
  assert.deepEqual(meter.lag(at(16, 4), 31_000), { entriesSeconds: 0, generationsSeconds: 0, entriesBehind: 0 });
});

test("what a primary took back is waited for no longer", () => {
  const meter = new LagMeter();
  meter.heard(at(2 ** 50, 2 ** 50), at(10, 1), 0);
  meter.heard(at(10, 1), at(10, 1), 1_000);
  assert.deepEqual(meter.lag(at(10, 1), 60_000), { entriesSeconds: 0, generationsSeconds: 0, entriesBehind: 0 });
});

test("a replica that is away from its pushes for weeks keeps a bounded memory, and its lag stays right or looks longer", () => {
  const meter = new LagMeter();
  const hellos = 100_000;
  for (let i = 1; i <= hellos; i += 1) meter.heard(at(10 + i, 1 + i), at(10, 1), i * 5_000);
  const nowMs = hellos * 5_000;
  assert.equal(meter.lag(at(10, 1), nowMs)?.entriesSeconds, (nowMs - 5_000) / 1000);
  // Half of it has arrived: the oldest missing entry was told of half way.
  const half = meter.lag(at(10 + hellos / 2, 1 + hellos / 2), nowMs)?.entriesSeconds ?? 0;
  const exact = (nowMs - (hellos / 2 + 1) * 5_000) / 1000;
  assert.ok(half >= exact, `${half} s is less than ${exact} s`);
});
