import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { forkChild } from "../../shared/fork-child.js";
import { withFolder } from "../support/with-folder.js";

test("a process that cannot be started ends with an exit, after its error", async () => {
  await withFolder(async (folder) => {
    const child = forkChild(join(folder, "none.js"), { execPath: join(folder, "no-node") });
    const told: string[] = [];
    child.on("error", () => told.push("error"));
    assert.deepEqual(await once(child, "exit").catch(() => once(child, "exit")), [null, null]);
    assert.deepEqual([child.pid, told], [undefined, ["error"]]);
  });
});

test("one that is started and ends by itself ends once, with its own code", async () => {
  await withFolder(async (folder) => {
    const child = forkChild(join(folder, "none.js"), { execArgv: ["--no-warnings"] });
    let exits = 0;
    child.on("exit", () => {
      exits += 1;
    });
    const [code] = await once(child, "exit");
    assert.deepEqual([code, exits], [1, 1]);
  });
});
