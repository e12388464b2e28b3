import assert from "node:assert/strict";
import { appendFile, rm } from "node:fs/promises";
import { test } from "node:test";
import { readSealedMs } from "../../../shared/store/read-sealed-time.js";
import { StoreBuilder } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "5e1f9d6c-30ab-4f0e-9c8b-6f2d1d0a7b11";
const START_MS = Date.UTC(2026, 10, 20);

test("a generation's time is that of its seal, the last entry", async () => {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    await builder.seal([{ element: "a:1", state: {} }]);
    await builder.seal([
      { element: "a:1", state: {} },
      { element: "a:2", state: {} },
    ]);
    const [first, second] = [builder.layout.generation(1), builder.layout.generation(2)];
    assert.equal(await readSealedMs(first), START_MS + 2000);
    assert.equal(await readSealedMs(second), START_MS + 5000);
  });
});

test("a generation that ends with anything but an entry, or with none, has no time", async () => {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    await builder.seal([{ element: "a:1", state: {} }]);
    const tree = builder.layout.generation(1);
    const end = { recorded: "2026-11-21T00:00:00.000000Z" };
    await appendFile(tree.entriesSegment(0), `${JSON.stringify(end)}\n`);
    assert.equal(await readSealedMs(tree), undefined);
    await appendFile(tree.entriesSegment(0), "torn");
    assert.equal(await readSealedMs(tree), undefined);
    await rm(tree.entries, { recursive: true });
    assert.equal(await readSealedMs(tree), undefined);
  });
});
