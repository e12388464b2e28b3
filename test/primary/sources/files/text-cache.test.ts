import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TextCache } from "../../../../primary/sources/files/text-cache.js";
import { withFolder } from "../../../support/with-folder.js";

test("a text is given for its own digest only, also after a restart, from files that only their owner reads", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const first = TextCache.open(path);
    first.put("file:/a", "d1", "one");
    first.put("file:/a", "d2", "two");
    for (const suffix of ["", "-wal", "-shm"]) assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix);
    first.close();
    const second = TextCache.open(path);
    assert.deepEqual([second.get("file:/a", "d1"), second.get("file:/a", "d2")], [undefined, "two"]);
    assert.equal(second.sizeBytes, 10);
    second.delete("file:/a");
    assert.deepEqual([second.get("file:/a", "d2"), second.sizeBytes], [undefined, 0]);
    second.close();
  });
});

test("what has not changed for longest makes room, and what is larger than all of it is not kept", async () => {
  await withFolder(async (folder) => {
    const cache = TextCache.open(join(folder, "texts.db"), 100);
    for (const id of ["a", "b", "c"]) cache.put(id, id, "x".repeat(30));
    cache.put("a", "a2", "y".repeat(30));
    cache.put("d", "d", "z".repeat(30));
    assert.deepEqual(
      [cache.get("b", "b"), cache.get("a", "a2")?.length, cache.get("d", "d")?.length],
      [undefined, 30, 30],
    );
    cache.put("e", "e", "x".repeat(200));
    assert.equal(cache.get("e", "e"), undefined);
    assert.ok(cache.sizeBytes <= 100);
    cache.close();
  });
});

test("a damaged file is started anew", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    writeFileSync(path, "this is no database".repeat(1000));
    const cache = TextCache.open(path);
    cache.put("a", "a", "text");
    assert.equal(cache.get("a", "a"), "text");
    cache.close();
  });
});
