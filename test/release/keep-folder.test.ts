// What is expensive is made once for what it was made of.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { withFolder } from "../support/with-folder.js";
import { keepFolder } from "./keep-folder.js";

describe("a kept folder", () => {
  test("is made once, again for other ingredients or when asked to, and only its newest stays", async () => {
    await withFolder(async (cache) => {
      let made = 0;
      const keep = (madeOf: string[], fresh = false) =>
        keepFolder({ cache, name: "modules", madeOf, fresh }, async (folder) => {
          made += 1;
          await writeFile(join(folder, "which"), String(made));
        });
      const first = await keep(["a", "b"]);
      assert.equal(await keep(["a", "b"]), first);
      assert.equal(made, 1);
      assert.equal(await keep(["a", "b"], true), first);
      assert.equal(await readFile(join(first, "which"), "utf8"), "2");
      const other = await keep(["ab"]);
      assert.notEqual(other, first);
      assert.deepEqual(await readdir(cache), [basename(other)]);
    });
  });

  test("is not there after a failure", async () => {
    await withFolder(async (cache) => {
      const fail = keepFolder({ cache, name: "modules", madeOf: [], fresh: false }, async (folder) => {
        await writeFile(join(folder, "half"), "");
        throw new Error("broken off");
      });
      await assert.rejects(fail, /broken off/);
      assert.deepEqual(await readdir(cache), []);
    });
  });
});
