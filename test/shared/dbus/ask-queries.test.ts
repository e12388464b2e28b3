import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { createAskQuery, readOptions } from "../../../shared/dbus/ask-queries.js";
import { describeFailure } from "../../../shared/dbus/call-refused.js";
import { variant } from "../../../shared/dbus/variant.js";
import { eventually } from "../../support/drive-fleet.js";
import { withFolder } from "../../support/with-folder.js";

test("options may be texts, numbers and booleans of any width, and nothing else", () => {
  const options = {
    a: variant("s", "x"),
    b: variant("u", 5),
    c: variant("t", 2n ** 60n),
    d: variant("b", false),
    e: variant("d", 1.5),
  };
  assert.deepEqual(
    { ...readOptions(options as Record<string, unknown>) },
    {
      ...{ a: "x", b: "5", c: "1152921504606846976", d: "false", e: "1.5" },
    },
  );
  for (const wrong of [
    variant("as", ["x"]),
    variant("a{sv}", {}),
    variant("v", variant("s", "x")),
    variant("d", Number.NaN),
  ]) {
    assert.throws(() => readOptions({ wrong }), /option wrong is of type/);
  }
  assert.throws(() => readOptions({ element: variant("s", "x") }, { element: "y" }), { code: "bad-parameter" });
});

test("an option with a hostile name is a parameter like any other", () => {
  const options = JSON.parse('{"__proto__":1}') as Record<string, unknown>;
  Object.defineProperty(options, "constructor", { value: variant("s", "x"), enumerable: true });
  Object.defineProperty(options, "__proto__", { value: variant("s", "y"), enumerable: true });
  const read = readOptions(options);
  assert.equal(read.constructor, "x");
  assert.ok(Object.hasOwn(read, "__proto__"));
});

test("questions are asked a few at a time, and a stop ends those that wait with its reason", async () => {
  await withFolder(async (folder) => {
    const socketPath = join(folder, "q.sock");
    let open = 0;
    const server = createServer(() => {
      open += 1;
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const stopping = new AbortController();
    const ask = createAskQuery({ socketPath });
    const asked = Array.from({ length: 20 }, () => ask("chain", { element: "x" }, stopping.signal));
    await eventually(
      async () => open === 4,
      () => `${open} questions were asked`,
    );
    stopping.abort(Object.assign(new Error("the daemon is stopping"), { code: "stopping" }));
    for (const outcome of await Promise.allSettled(asked)) {
      assert.equal(outcome.status, "rejected");
      assert.equal(describeFailure(outcome.reason).name, "dev.isochron.Error.Stopping");
    }
    assert.equal(open, 4);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

test("a query process that is not there is told by name", async () => {
  const ask = createAskQuery({ socketPath: "/none/q.sock", startedBy: "isochron-replica serve" });
  await assert.rejects(ask("chain", {}, new AbortController().signal), { code: "nobody-listens" });
});
