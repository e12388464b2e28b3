// The queries that look at a whole store: elements, stats, anomalies.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { createLogger } from "../../../shared/log.js";
import { QueryEngine } from "../../../shared/query/engine.js";
import type { AnomaliesQuery } from "../../../shared/query/query-anomalies.js";
import type { ElementsQuery } from "../../../shared/query/query-elements.js";
import { QueryError, type QueryErrorCode } from "../../../shared/query/query-error.js";
import { flipByte, StoreBuilder, someEvents, type TestEvent } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d07";
const log = createLogger("error", () => true);

interface Given {
  engine: QueryEngine;
  builder: StoreBuilder;
  root: string;
  /** Seals more events and waits until they are answered. */
  more(events: TestEvent[]): Promise<void>;
}

async function withStore(events: TestEvent[], use: (given: Given) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    await builder.seal(events);
    const engine = new QueryEngine({ root, indexProcesses: 1, log });
    await engine.start();
    const more = async (events: TestEvent[]) => {
      const { generation } = await builder.seal(events);
      await engine.promoted(UUID, generation);
    };
    try {
      await use({ engine, builder, root, more });
    } finally {
      await engine.stop();
    }
  });
}

function refusal(code: QueryErrorCode, hint = /./) {
  return (error: unknown) => error instanceof QueryError && error.code === code && hint.test(error.hint ?? "");
}

const all: ElementsQuery = { prefix: "", states: false, limit: 1000 };

test("every element comes with its newest event, in order of name, with its verified state when that is asked for", async () => {
  const events = [
    { element: "bridge:br0", type: "Bridge", action: "created", state: { ports: [] } },
    { element: "interface:eth0", source: "networkmanager", state: { mtu: 1500 } },
    { element: "bridge:br0", type: "Bridge", action: "modified", source: "ovsdb", state: { ports: ["eth0"] } },
  ];
  await withStore(events, async ({ engine, builder }) => {
    const { results, cursor } = await engine.elements(undefined, all);
    const shown = results.map(({ element_id, seq, height, action, source }) => [
      element_id,
      seq,
      height,
      action,
      source,
    ]);
    assert.deepEqual(shown, [
      ["bridge:br0", 2, 1, "modified", "ovsdb"],
      ["interface:eth0", 1, 0, "modified", "networkmanager"],
      [`store:${UUID}`, 3, 0, "sealed", "test"],
    ]);
    assert.equal(cursor, undefined);
    assert.ok(results.every((element) => !("state_snapshot" in element)));
    const ids = async (more: Partial<ElementsQuery>) =>
      (await engine.elements(undefined, { ...all, ...more })).results.map(({ element_id }) => element_id);
    assert.deepEqual(await ids({ types: ["NetworkInterface", "Bridge"] }), ["bridge:br0", "interface:eth0"]);
    assert.deepEqual(await ids({ source: "ovsdb" }), ["bridge:br0"]);
    assert.deepEqual(await ids({ prefix: "interface:" }), ["interface:eth0"]);
    assert.deepEqual(await ids({ types: ["Bridge"], source: "networkmanager" }), []);
    const states = (await engine.elements(undefined, { ...all, types: ["Bridge"], states: true })).results;
    assert.deepEqual(states[0]?.state_snapshot, { ports: ["eth0"] });
    const path = builder.layout.generation(1).payloadsSegment(0);
    const before = (await readFile(path, "utf8")).split("\n").slice(0, 2).join("\n").length + 1;
    await flipByte(path, before + 30);
    await assert.rejects(engine.elements(undefined, { ...all, states: true }), refusal("broken-chain"));
    assert.deepEqual(await ids({ types: ["NetworkInterface"], states: true }), ["interface:eth0"]);
    assert.equal((await ids({})).length, 3);
  });
});

test("pages of elements cover the first page's size exactly once, though elements change and come between them", async () => {
  await withStore(someEvents(60, 20, undefined), async ({ engine, builder, more }) => {
    const size = builder.size;
    const wanted = (await engine.elements(undefined, all)).results;
    assert.equal(wanted.length, 21);
    const seen: typeof wanted = [];
    let cursor: string | undefined;
    do {
      const page = await engine.elements(undefined, { ...all, limit: 4, cursor });
      assert.equal(page.size, size);
      seen.push(...page.results);
      cursor = page.cursor;
      await more([...someEvents(3, 20, undefined), { element: `interface:eth${seen.length}a`, state: {} }]);
    } while (cursor);
    assert.deepEqual(seen, wanted);
    const first = await engine.elements(undefined, { ...all, limit: 4 });
    const other = { ...all, limit: 4, cursor: first.cursor, prefix: "x" };
    await assert.rejects(engine.elements(undefined, other), refusal("bad-parameter", /same query/));
  });
});

test("a page of large states ends before it fills the memory, and the next goes on from there", async () => {
  const state = { text: "x".repeat(2 ** 20) };
  const events = Array.from({ length: 10 }, (_, i) => ({ element: `file:${i}`, type: "File", state }));
  await withStore(events, async ({ engine }) => {
    const query = { ...all, types: ["File"], states: true };
    const first = await engine.elements(undefined, query);
    assert.equal(first.results.length, 7);
    const second = await engine.elements(undefined, { ...query, cursor: first.cursor });
    assert.deepEqual(
      second.results.map(({ element_id }) => element_id),
      ["file:7", "file:8", "file:9"],
    );
    assert.equal(second.cursor, undefined);
  });
});

test("stats count what there is, and say which root it is signed under", async () => {
  await withStore(someEvents(60, 6, undefined), async ({ engine, root, more }) => {
    const { results, root: rootHash, size, generation, origin } = await engine.stats(undefined);
    assert.deepEqual([size, generation, origin, rootHash.length], [61, 1, "test.example/isochron", 44]);
    const name = (name: string, count: number) => ({ name, count });
    assert.deepEqual(results, [
      {
        events: 61,
        elements: 7,
        first: "2026-11-20T00:00:01.000000Z",
        last: "2026-11-20T00:01:01.000000Z",
        types: { names: 2, most: [name("NetworkInterface", 60), name("Store", 1)] },
        actions: { names: 3, most: [name("modified", 54), name("created", 6), name("sealed", 1)] },
        actors: { names: 3, most: [name("dhcp", 40), name("admin", 20), name("isochron", 1)] },
        priorities: { names: 1, most: [name("medium", 61)] },
        sources: { names: 1, most: [name("test", 61)] },
        spaces: [],
      },
    ]);
    await more(Array.from({ length: 70 }, (_, i) => ({ element: "many", actor: `actor ${100 + i}`, state: {} })));
    const grown = await engine.stats(undefined);
    const { actors, events, elements } = grown.results[0] ?? assert.fail();
    assert.deepEqual([events, elements, actors.names, actors.most.length], [132, 8, 73, 50]);
    assert.deepEqual(actors.most.slice(1, 4), [name("admin", 20), name("isochron", 2), name("actor 100", 1)]);
    assert.notEqual(grown.root, rootHash);
    const second = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d08";
    await (await StoreBuilder.create({ root, uuid: second, origin: "b.example" })).seal(someEvents(4, 2, undefined));
    await engine.promoted(second, 1);
    await assert.rejects(engine.stats(undefined), refusal("bad-parameter", new RegExp(second)));
    assert.equal((await engine.stats("b.example")).results[0]?.events, 5);
    assert.equal((await engine.elements("b.example", all)).results.length, 3);
    assert.equal((await engine.anomalies("b.example", { limit: 5 })).store, second);
  });
});

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1) * 1000;

/** For 30 days every third hour one of four bridges is modified, by admin and dhcp in turn: 60 events each. */
const usual: TestEvent[] = Array.from({ length: 240 }, (_, i) => ({
  element: `bridge:br${i % 4}`,
  type: "Bridge",
  actor: i % 2 === 0 ? "admin" : "dhcp",
  atMicros: START + i * 3 * HOUR,
  state: { i },
}));
const END = START + 30 * DAY;
const bridge = (i: number, more: Partial<TestEvent>): TestEvent => {
  return { element: "bridge:br1", type: "Bridge", actor: "dhcp", atMicros: END + i * HOUR, state: {}, ...more };
};

async function anomaliesOf(engine: QueryEngine, query: Partial<AnomaliesQuery> = {}) {
  return engine.anomalies(undefined, { limit: 100, ...query });
}

test("a day like those before has no anomalies, and seals are no part of what is compared", async () => {
  await withStore(usual.slice(0, 200), async ({ engine, more }) => {
    await more(usual.slice(200));
    const { results, found, from, to, window_events, history_events, history_from, note } = await anomaliesOf(engine);
    assert.deepEqual([results, found, note], [[], 0, undefined]);
    assert.deepEqual([from, to], ["2026-01-29T21:00:01.000000Z", "2026-01-30T21:00:01.000000Z"]);
    assert.deepEqual([window_events, history_events, history_from], [8, 232, "2026-01-01T00:00:00.000000Z"]);
  });
});

test("what never was before, what hardly ever was, and what comes too often are found, with the figures they rest on", async () => {
  await withStore(usual, async ({ engine, more }) => {
    await more([
      bridge(1, { action: "deleted", element: "bridge:br0" }),
      bridge(2, { actor: "mallory", element: "bridge:br2" }),
      bridge(3, { element: "tunnel:t0", type: "Tunnel", action: "created" }),
      ...Array.from({ length: 40 }, (_, i) => bridge(4 + i / 10, {})),
    ]);
    const asked = { fromMicros: END, toMicros: END + DAY };
    const { results, ...rest } = await anomaliesOf(engine, asked);
    assert.deepEqual([rest.window_events, rest.history_events, rest.found], [43, 240, results.length]);
    const of = (kind: string) => results.filter((one) => one.kind === kind);
    const never = { count: 1, earlier: 0, as_rare: 0, of: 240, score: 8.913 };
    assert.deepEqual(of("new"), [
      {
        kind: "new",
        ...never,
        actor: "mallory",
        reason: "none of the 240 earlier events was by mallory; 1 event in 482 is as rare",
        seqs: [242],
      },
      {
        kind: "new",
        ...never,
        element_type: "Tunnel",
        reason: "none of the 240 earlier events was of type Tunnel; 1 event in 482 is as rare",
        seqs: [243],
      },
    ]);
    assert.deepEqual(of("rare"), [
      {
        kind: "rare",
        ...never,
        element_type: "Bridge",
        action: "deleted",
        reason: 'none of the 240 earlier events of type Bridge was "deleted"; 1 event in 482 is as rare',
        seqs: [241],
      },
    ]);
    const bursts = of("burst");
    assert.deepEqual(
      bursts.map(({ element_id, element_type, actor }) => element_id ?? actor ?? element_type),
      ["bridge:br1", "dhcp", "Bridge"],
    );
    assert.deepEqual(
      [bursts[0]?.count, bursts[0]?.earlier, bursts[0]?.expected, bursts[0]?.seqs],
      [40, 60, 2.025, [244, 283]],
    );
    assert.match(
      bursts[0]?.reason ?? "",
      /^40 events of bridge:br1 in 1 d; 60 in the 29.9 d before let 2.025 be expected$/,
    );
    const scores = results.map(({ score }) => score);
    assert.deepEqual(
      scores,
      [...scores].sort((a, b) => b - a),
    );
    for (const seq of results.flatMap(({ seqs }) => seqs))
      assert.ok((await engine.event(undefined, { seq })).results[0]);
    const few = await anomaliesOf(engine, { ...asked, limit: 2 });
    assert.deepEqual([few.found, few.results], [results.length, results.slice(0, 2)]);
  });
});

test("an element that does what others of its type do, and it never did, is found, and what its type does never is found once", async () => {
  const often = Array.from({ length: 40 }, (_, i) =>
    bridge(-1000 + i, { element: "bridge:on-off", action: "stopped" }),
  );
  const events = [...often, ...usual].sort((a, b) => (a.atMicros ?? 0) - (b.atMicros ?? 0));
  await withStore(events, async ({ engine, more }) => {
    await more([bridge(1, { action: "stopped" }), bridge(2, { action: "gone" })]);
    const { results } = await anomaliesOf(engine, { windowMicros: HOUR * 3 });
    assert.deepEqual(
      results.map(({ kind, element_id, action, earlier, of }) => [kind, element_id, action, earlier, of]),
      [
        ["rare", undefined, "gone", 0, 280],
        ["rare", "bridge:br1", "stopped", 0, 60],
      ],
    );
  });
});

test("a window in the past is answered as it was before anything came after it", async () => {
  await withStore(usual, async ({ engine, more }) => {
    const burst = Array.from({ length: 20 }, (_, i) => bridge(3 + i / 10, { element: "bridge:br2", actor: "admin" }));
    await more([bridge(1, { action: "deleted" }), bridge(2, { actor: "mallory" }), ...burst]);
    const query = { fromMicros: END, toMicros: END + DAY };
    const { results, window_events, history_events } = await anomaliesOf(engine, query);
    assert.deepEqual(results.map(({ kind }) => kind).sort(), ["burst", "burst", "burst", "new", "rare"]);
    assert.equal(results.find(({ element_id }) => element_id === "bridge:br2")?.earlier, 60);
    const later = ["deleted", "gone", "modified"].map((action, i) => bridge(25 + i, { action, actor: "mallory" }));
    await more([...later, bridge(30, { element: "tunnel:t0", type: "Tunnel" })]);
    await more(Array.from({ length: 400 }, (_, i) => bridge(31 + i, { element: "bridge:br2", actor: "admin" })));
    const again = await anomaliesOf(engine, query);
    assert.deepEqual(
      [again.results, again.window_events, again.history_events],
      [results, window_events, history_events],
    );
    assert.deepEqual((await anomaliesOf(engine, { toMicros: END + DAY })).results, results);
    assert.deepEqual((await anomaliesOf(engine, { fromMicros: END, windowMicros: DAY })).results, results);
  });
});

test("what could be expected, by the length of the window or the number of names, is not unusual", async () => {
  const restarts = Array.from({ length: 300 }, (_, i) =>
    bridge(i - 320, { action: i % 150 === 7 ? "restarted" : "modified" }),
  );
  const calm = (count: number) => Array.from({ length: count }, (_, i) => bridge((20 * i) / count, {}));
  const kinds = async (history: TestEvent[], window: TestEvent[]) => {
    let found: string[] = [];
    await withStore(history, async ({ engine, more }) => {
      await more(window);
      const { results } = await anomaliesOf(engine, { fromMicros: END, toMicros: END + DAY });
      found = results
        .map((one) => `${one.kind} ${one.element_id ?? one.action ?? one.actor ?? one.element_type}`)
        .sort();
    });
    return found;
  };
  const restarted = bridge(21, { action: "restarted" });
  assert.deepEqual(await kinds(restarts, [...calm(29), restarted]), ["rare restarted"]);
  assert.deepEqual(await kinds(restarts, [...calm(69), restarted]), ["burst Bridge", "burst bridge:br1", "burst dhcp"]);

  const busy = Array.from({ length: 2400 }, (_, i) =>
    bridge(-0.3 - i * 0.3, { element: `bridge:${i % 800}`, actor: `a${i % 400}` }),
  );
  const many = (count: number) => busy.slice(0, count).map((event, i) => ({ ...event, atMicros: END + i * 1e6 }));
  assert.deepEqual(await kinds(busy, many(150)), []);
  assert.deepEqual(await kinds(busy, many(190)), ["burst Bridge"]);
  const visitors = restarts.map((event, i) => ({ ...event, actor: i % 3 === 0 ? `visitor ${i}` : "admin" }));
  assert.deepEqual(await kinds(visitors, [bridge(1, { actor: "visitor 1000" })]), []);
  const jobs = restarts.map((event, i) => ({ ...event, action: i % 3 === 0 ? `job ${i}` : "modified" }));
  assert.deepEqual(await kinds(jobs, [bridge(1, { action: "job 1000" })]), []);

  const two = (i: number) => ({ element: `bridge:${i % 64}`, actor: `a${i % 64}` });
  const even = Array.from({ length: 64 * 60 }, (_, i) => bridge(-i * 0.1875, two(i)));
  const ten = Array.from({ length: 10 }, (_, i) => bridge(i, { element: "bridge:7", actor: `a${i}` }));
  const one = Array.from({ length: 64 }, (_, i) => bridge(10 + i / 10, two(i === 7 ? 8 : i)));
  assert.deepEqual(await kinds(even, ten), ["burst bridge:7"]);
  assert.deepEqual(await kinds(even, [...ten, ...one]), []);
});

test("an actor of seals who never did anything else is new when it does", async () => {
  await withStore(usual, async ({ engine, more }) => {
    await more([bridge(1, { actor: "isochron" })]);
    const { results } = await anomaliesOf(engine);
    assert.deepEqual(
      results.map(({ kind, actor, earlier, of }) => [kind, actor, earlier, of]),
      [["new", "isochron", 0, 233]],
    );
  });
});

test("a window of more events than are counted in one turn is counted whole", async () => {
  const storm = Array.from({ length: 21_000 }, (_, i) => bridge(1, { atMicros: END + Math.floor(i / 3), state: i }));
  await withStore([...usual, ...storm], async ({ engine }) => {
    const { window_events, history_events, results } = await anomaliesOf(engine, { fromMicros: END });
    assert.deepEqual([window_events, history_events], [21_000, 240]);
    const [first] = results;
    assert.deepEqual([first?.kind, first?.element_id, first?.count], ["burst", "bridge:br1", 21_000]);
    assert.equal(first?.seqs[0], 240);
    assert.ok(first?.seqs.every((seq, i, seqs) => seq < 21_240 && (i === 0 || seq > (seqs[i - 1] as number))));
  });
});

test("too little history is said, and nothing is called unusual against it", async () => {
  await withStore(usual.slice(0, 99), async ({ engine, more }) => {
    const strange = bridge(0, { atMicros: START + 14 * DAY, element: "tunnel:t0", type: "Tunnel", actor: "mallory" });
    await more([strange]);
    const query = { fromMicros: START + 13 * DAY };
    const { results, history_events, note } = await anomaliesOf(engine, query);
    assert.deepEqual([results, history_events], [[], 99]);
    assert.match(note ?? "", /too little .* 99 events, 100 needed/);
    await more(Array.from({ length: 90 }, (_, i) => bridge(0, { atMicros: START + 15 * DAY + i * HOUR })));
    const long = await anomaliesOf(engine, { fromMicros: START + 15 * DAY, windowMicros: 20 * DAY });
    assert.match(long.note ?? "", /bursts are not looked for/);
    assert.deepEqual([long.results, long.window_events, long.history_events], [[], 90, 100]);
    const { note: enough, found } = await anomaliesOf(engine, { fromMicros: START + 15 * DAY, windowMicros: 4 * DAY });
    assert.deepEqual([enough, found], [undefined, 3]);
    const { history_from } = await anomaliesOf(engine, { windowMicros: 400 * DAY });
    assert.equal(history_from, null);
  });
});

test("an event that claims to be of a far future moves no window, and a window after the end is refused", async () => {
  await withStore([...usual, bridge(0, { timestamp: "2254-01-01T00:00:00.000000Z" })], async ({ engine }) => {
    const { to, window_events, history_events } = await anomaliesOf(engine);
    assert.deepEqual([to.slice(0, 13), window_events, history_events], ["2026-01-31T00", 7, 233]);
    const far = anomaliesOf(engine, { fromMicros: END + 100 * DAY });
    await assert.rejects(far, refusal("bad-parameter", /the ledger ends at 2026-01-31T00/));
    const longest = await anomaliesOf(engine, { fromMicros: START, windowMicros: 10_000 * 366 * DAY });
    assert.equal(longest.to.slice(0, 4), "2255");
  });
});
