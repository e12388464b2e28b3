import assert from "node:assert/strict";
import { test } from "node:test";
import { ElementWriter } from "../../../../primary/sources/watch/element-writer.js";
import { SupervisedSource } from "../../../../primary/sources/watch/supervised-source.js";
import { until } from "../../../support/until.js";
import { withLedger } from "../../../support/with-ledger.js";

test("a source that fails shows why and comes back; once it watches, its own problem is shown", async () => {
  await withLedger(async ({ parts, events }) => {
    const writer = new ElementWriter({ ...parts, source: "files" });
    let calls = 0;
    const source = new SupervisedSource({
      name: "files",
      log: parts.log,
      writer,
      leastDelayMs: 1,
      state: () => ({ problem: "one folder cannot be read" }),
      async watch(signal) {
        calls += 1;
        if (calls === 1) throw new Error("the first try failed");
        await writer.resync([{ elementId: "file:/a", elementType: "File", state: { kind: "file" } }], () => "modified");
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    });
    assert.equal(source.state().problem, null);
    await source.start(new AbortController().signal);
    await until(() => source.state().failures === 1);
    if (calls === 1) assert.equal(source.state().problem, "the first try failed");
    await until(() => source.state().watching === true);
    assert.equal(source.state().problem, "one folder cannot be read");
    await source.stop();
    assert.deepEqual(
      events("file:/a").map(({ action }) => action),
      ["observed"],
    );
  });
});
