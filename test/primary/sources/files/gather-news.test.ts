import assert from "node:assert/strict";
import { test } from "node:test";
import { GatheredNews } from "../../../../primary/sources/files/gather-news.js";

const news = () => new GatheredNews({ quietMs: 100, longestMs: 1000 });

test("a name waits until it is quiet, or for the longest time if it never is", () => {
  const gathered = news();
  gathered.note("/d", "a", false, 0);
  gathered.note("/d", "b", true, 0);
  for (let nowMs = 50; nowMs < 1000; nowMs += 50) {
    gathered.note("/d", "a", false, nowMs);
    const names = gathered.takeDue(nowMs).flatMap((due) => [...(due.names ?? [])]);
    assert.deepEqual(names, nowMs === 100 ? [["b", { firstMs: 0, lastMs: 0, renamed: true }]] : []);
  }
  assert.deepEqual(gathered.takeDue(1000)[0]?.names?.get("a"), { firstMs: 0, lastMs: 950, renamed: false });
  assert.ok(gathered.isEmpty);
});

test("many names in one folder become the folder, however many there are", () => {
  const gathered = news();
  for (let count = 0; count < 100_000; count += 1) gathered.note("/d", `name ${count}`, false, count / 1000);
  assert.deepEqual(gathered.takeDue(150), []);
  assert.deepEqual(gathered.takeDue(250), [{ folder: "/d", names: undefined }]);
  assert.ok(gathered.isEmpty);
});
