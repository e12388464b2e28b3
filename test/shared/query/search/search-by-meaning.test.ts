// Searches as a replica answers them: a store whose vectors a model made, that model, and its runtime in a process of its own.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createLogger } from "../../../../shared/log.js";
import { QueryEngine } from "../../../../shared/query/engine.js";
import type { SearchQuery } from "../../../../shared/query/query-search.js";
import type { TestEvent } from "../../../support/build-store.js";
import { eventually } from "../../../support/drive-fleet.js";
import { MODEL_RUNTIME, requirePart } from "../../../support/require-part.js";
import { withModelStore } from "../../../support/with-model-store.js";

const said = (message: string, element = "service:watch", more: Partial<TestEvent> = {}): TestEvent => {
  return { element, type: "Service", action: "logged", state: { message }, ...more };
};
const carrier = (name: string): TestEvent => ({
  element: `interface:${name}`,
  state: { message: `${name} carrier lost` },
});

/** Of interfaces, units and disks; only the first says that something was refused. */
const EVENTS: TestEvent[] = [
  said("password rejected for admin from 10.0.0.7 port 4022"),
  said("disk full at /var"),
  carrier("eth0"),
  carrier("eth1"),
  { element: "interface:eth0", state: { message: "eth0 address changed", address: "10.0.0.7" } },
  said("package upgraded to 2.41"),
  said("clock late by 3 s"),
];

const search = (engine: QueryEngine, words: string, more: Partial<SearchQuery> = {}) =>
  engine.search(undefined, { words, limit: 10, ...more });

/** The child of this process that embeds questions. */
async function embeddingProcess(): Promise<number | undefined> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
  for (const pid of children.split(" ").filter((text) => text !== "")) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes("question-child")) return Number(pid);
  }
  return undefined;
}

test("a question that shares no word with an event finds it, and nothing but the question is embedded", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine }) => {
    const { results, legs } = await search(engine, "credentials denied");
    assert.deepEqual([results[0]?.seq, results[0]?.text], [0, undefined]);
    assert.match(legs.vector, /^test-words-[0-9a-f]{12}, the question's own vector/);
    await search(engine, "credentials denied", { mode: "semantic" });
    const { questions, stores } = await engine.status();
    assert.deepEqual(questions, { embedded: 1, remembered: 1, failed: 0 });
    assert.match(stores[0]?.spaces[0]?.questions.how ?? "", /^embedded by test-words-/);
    assert.deepEqual((await search(engine, "credentials denied", { mode: "text" })).results, []);
  });
});

test("a question that names a thing gets the events of that thing, what it asks about first", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine }) => {
    const { results, explain } = await search(engine, "eth0 uplink gone", { explain: true });
    assert.deepEqual(
      results.slice(0, 3).map(({ seq }) => seq),
      [2, 4, 3],
    );
    assert.match(explain?.order ?? "", /events that hold "eth0" stand first/);
    const other = await search(engine, "who was denied by 10.0.0.7");
    assert.deepEqual(
      other.results.slice(0, 2).map(({ seq }) => seq),
      [0, 4],
    );
    const nowhere = await search(engine, "eth7 uplink gone", { explain: true });
    assert.deepEqual(new Set(nowhere.results.slice(0, 2).map(({ seq }) => seq)), new Set([2, 3]));
    assert.match(nowhere.explain?.order ?? "", /no event holds "eth7"/);
  });
});

test("a question of names only is for words, and embeds nothing", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine }) => {
    const { results } = await search(engine, "10.0.0.7");
    assert.deepEqual(new Set(results.slice(0, 2).map(({ seq }) => seq)), new Set([0, 4]));
    assert.equal((await engine.status()).questions.embedded, 0);
    const near = await search(engine, "10.0.0.7", { mode: "semantic", explain: true });
    assert.equal(near.explain?.meaning, "10.0.0.7");
    assert.equal((await engine.status()).questions.embedded, 1);
  });
});

test("explain adds each score up from its parts", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine }) => {
    const { results } = await search(engine, "eth0 uplink lost", { explain: true });
    assert.equal(results.length, EVENTS.length);
    for (const { score, parts } of results) {
      assert.ok(parts);
      assert.equal(score, parts.vector + parts.words + parts.names);
    }
    assert.deepEqual(results[0]?.vector?.score, results[0]?.parts?.vector);
  });
});

test("repeats of one text are one answer, however many stand before the next", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  const storm = Array.from({ length: 300 }, (_, i) => said(`disk full at 10.1.0.${i % 250} after ${1000 + i} s`));
  await withModelStore([...EVENTS, ...storm], async ({ engine }) => {
    const flat = await search(engine, "volume exhausted");
    assert.ok(flat.results.every(({ seq, repeats }) => (seq === 1 || seq >= EVENTS.length) && repeats === undefined));
    const { results, grouped } = await search(engine, "volume exhausted", { group: true, limit: 4 });
    assert.equal(results.length, 4);
    assert.ok(grouped && grouped.looked_at < storm.length, "a storm must not be all that is looked at");
    const most = results.find(({ repeats }) => repeats?.count === 300);
    assert.deepEqual(most?.repeats, {
      count: 300,
      first: "2026-11-20T00:00:08.000000Z",
      last: "2026-11-20T00:05:07.000000Z",
      of: "store",
    });
  });
});

test("without the model a question is answered by words, and the answer names the command that cures it", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine, root, model }) => {
    await rm(join(root, "models"), { recursive: true });
    const { results, legs } = await search(engine, "rejected");
    assert.equal(results[0]?.seq, 0);
    assert.match(legs.vector, /questions are not embedded here, model-missing: .*model add/);
    assert.match(legs.vector, new RegExp(model.modelSha256));
    assert.deepEqual((await search(engine, "credentials denied")).results, []);
    assert.equal((await engine.similar(undefined, { seq: 2, limit: 1 })).results[0]?.seq, 3);
    const [space] = (await engine.stats(undefined)).results[0]?.spaces ?? [];
    assert.equal(space?.questions.embedded, false);
    assert.match(space.questions.how, /^by words: model-missing: .*model add/);
  });
});

test("events without a vector are found by their words, in their place among the others", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine, add }) => {
    await add([said("uplink of the north site is gone"), said("the weather is fine")], true);
    const { results } = await search(engine, "uplink gone");
    const places = results.map(({ seq }) => seq);
    const bare = EVENTS.length + 1;
    assert.deepEqual(new Set(places.slice(0, 3)), new Set([bare, 2, 3]));
    assert.ok(!places.includes(bare + 1));
  });
});

test("when the process that embeds dies, the next question is embedded by another", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ engine }) => {
    await search(engine, "credentials denied");
    const first = await embeddingProcess();
    assert.ok(first);
    process.kill(first, "SIGKILL");
    await eventually(
      async () => (await search(engine, "superuser refused")).results[0]?.seq === 0,
      () => "no question was embedded after the first process died",
    );
    assert.notEqual(await embeddingProcess(), first);
  });
});

test("a question goes to each space that it can be put to, and an event of one space only is found there", async (t) => {
  if (!(await requirePart(t, MODEL_RUNTIME))) return;
  await withModelStore(EVENTS, async ({ root, add, addSpace }) => {
    await add([said("firewall rejected a packet"), said("clock slow")], true);
    const first = EVENTS.length + 1;
    await addSpace({ dimensions: 96, seed: 2 }, [
      [0, EVENTS[0] as TestEvent],
      [first, said("firewall rejected a packet")],
      [first + 1, said("clock slow")],
    ]);
    const engine = new QueryEngine({ root, indexProcesses: 1, log: createLogger("error", () => true) });
    await engine.start();
    try {
      const { results, legs } = await search(engine, "netfilter denied");
      assert.equal(results[0]?.seq, first);
      assert.match(results[0]?.vector?.space ?? "", /^other-words-/);
      assert.match(legs.vector, /^other-words-[^;]*; test-words-/);
      const both = await search(engine, "credentials denied");
      assert.equal(both.results[0]?.seq, 0);
      assert.match(both.results[0]?.vector?.space ?? "", /^other-words-/);
      const only = await search(engine, "ethernet uplink vanished");
      assert.deepEqual(new Set(only.results.slice(0, 2).map(({ seq }) => seq)), new Set([2, 3]));
      assert.match(only.results[0]?.vector?.space ?? "", /^test-words-/);
      assert.equal((await engine.status()).questions.embedded, 6);
    } finally {
      await engine.stop();
    }
  });
});
