import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PausedLinks } from "../../../primary/push/paused-links.js";
import { withFolder } from "../../support/with-folder.js";
import { silentLog } from "../sources/memory-sink.js";

test("a pause is durable, has its reason and its time, and ends with resume", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "paused.json");
    const paused = await PausedLinks.open(path, silentLog);
    assert.equal(paused.reason("replica-1"), undefined);
    await Promise.all([paused.pause("replica-1", "new disk"), paused.pause("replica-2", "drained")]);
    const again = await PausedLinks.open(path, silentLog);
    assert.match(again.reason("replica-1") ?? "", /^new disk \(since 20\d\d-.*:\d\dZ\)$/);
    await again.resume("replica-1");
    assert.deepEqual(Object.keys(JSON.parse(await readFile(path, "utf8"))), ["replica-2"]);
    assert.equal((await PausedLinks.open(path, silentLog)).reason("replica-1"), undefined);
  });
});

test("names such as those of an object's own members hold nobody", async () => {
  await withFolder(async (folder) => {
    const paused = await PausedLinks.open(join(folder, "paused.json"), silentLog);
    assert.equal(paused.reason("constructor"), undefined);
  });
});

test("a file that cannot be read holds nobody, and that is told", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "paused.json");
    for (const text of ["{", '{"replica-1": true}']) {
      await writeFile(path, text);
      const told: string[] = [];
      const paused = await PausedLinks.open(path, { ...silentLog, error: (message) => told.push(message) });
      assert.equal(paused.reason("replica-1"), undefined);
      assert.deepEqual(told, ["which replicas are paused cannot be read: none is"]);
    }
  });
});
