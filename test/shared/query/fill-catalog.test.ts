import assert from "node:assert/strict";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createLogger } from "../../../shared/log.js";
import { Catalog } from "../../../shared/query/catalog.js";
import { fillCatalog } from "../../../shared/query/fill-catalog.js";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d07";

/** Of this process, in `folder`. */
async function openFiles(folder: string): Promise<string[]> {
  const fds = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
  return (await Promise.all(fds)).filter((path) => path.startsWith(folder));
}

test("a long catch-up that a full disk ends closes what it reads, though the catalog cannot be set back either", () =>
  withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    const { generation } = await builder.seal(someEvents(2500, 5, undefined));
    const catalog = Catalog.open(join(root, "catalog.db"), UUID);
    const full = () => {
      throw new Error("database or disk is full");
    };
    const set: boolean[] = [];
    catalog.fill = full;
    catalog.setBulk = (bulk) => {
      set.push(bulk);
      if (!bulk) full();
    };
    const tree = builder.layout.generation(generation);
    const checkpoint = { origin: builder.origin, size: 1_000_000, root: Buffer.alloc(32) };
    const log = createLogger("error", () => true);
    await assert.rejects(fillCatalog({ catalog, tree, generation, checkpoint, log }), /disk is full/);
    catalog.close();
    assert.deepEqual([set, await openFiles(root)], [[true, false], []]);
  }));
