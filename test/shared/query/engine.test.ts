import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { leafHash, sha256Hex } from "../../../shared/format/hash.js";
import { parseTimestamp } from "../../../shared/format/timestamp.js";
import { createLogger, type LogFields, type Logger } from "../../../shared/log.js";
import { QueryEngine } from "../../../shared/query/engine.js";
import { QueryError, type QueryErrorCode } from "../../../shared/query/query-error.js";
import type { NewsAnswer } from "../../../shared/query/query-message.js";
import { takeNews } from "../../../shared/query/take-news.js";
import {
  flipByte,
  groupVector,
  StoreBuilder,
  seededRandom,
  someEvents,
  type TestEvent,
  unitVector,
} from "../../support/build-store.js";
import { eventually } from "../../support/eventually.js";

const UUID = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d01";
const log = createLogger("error", () => true);
const everything = { fromMicros: 0, toMicros: Number.MAX_SAFE_INTEGER, reverse: false };
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "isochron-engine-"));
});
after(() => rm(folder, { recursive: true, force: true }));

let roots = 0;
async function newStore(events = someEvents(60, 6, 16), dimensions: number | undefined = 16) {
  const root = join(folder, String(roots++));
  const builder = await StoreBuilder.create({ root, uuid: UUID, ...(dimensions ? { dimensions } : {}) });
  await builder.seal(events);
  return { root, builder };
}

async function withEngine<T>(root: string, use: (engine: QueryEngine) => Promise<T>): Promise<T> {
  const engine = new QueryEngine({ root, indexProcesses: 1, log });
  await engine.start();
  try {
    return await use(engine);
  } finally {
    await engine.stop();
  }
}

function refusal(code: QueryErrorCode, hint = /./) {
  return (error: unknown) => error instanceof QueryError && error.code === code && hint.test(error.hint ?? "");
}

test("a chain is whole, in order, linked by hash, and says what each event changed", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    const { results, length, size, seq, generation } = await engine.chain(undefined, {
      element: "interface:eth2",
      limit: 100,
    });
    assert.deepEqual([length, size, seq, generation], [10, 61, 60, 1]);
    assert.deepEqual(
      results.map(({ height }) => height),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    for (const [i, event] of results.slice(1).entries()) assert.equal(event.previous_event_hash, results[i]?.hash);
    assert.ok(results[1]?.changes.some(({ field, old, new: now }) => field === "mtu" && old === 1402 && now === 1401));
    assert.equal(results[1]?.reason, "change number 8");
    assert.equal("salt" in (results[0] as object), false);
  });
});

test("pages cover a chain and a timeline exactly once, though the ledger grows between them", async () => {
  const { root, builder } = await newStore();
  await withEngine(root, async (engine) => {
    for (const reverse of [false, true]) {
      const size = builder.size;
      const seen: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await engine.timeline(undefined, { ...everything, reverse, limit: 7, cursor });
        assert.equal(page.size, size);
        seen.push(...page.results.map(({ seq }) => seq));
        cursor = page.cursor;
        const { generation } = await builder.seal(someEvents(2, 2, 16));
        await engine.promoted(UUID, generation);
      } while (cursor);
      const wanted = Array.from({ length: size }, (_, seq) => seq);
      assert.deepEqual(seen, reverse ? wanted.reverse() : wanted);
    }
    const heights: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await engine.chain(undefined, { element: "interface:eth1", limit: 4, cursor });
      heights.push(...page.results.map(({ height }) => height));
      cursor = page.cursor;
    } while (cursor);
    assert.deepEqual(
      heights,
      heights.map((_, i) => i),
    );
  });
});

test("the timeline is filtered by time, type, actor, action and element", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    const ask = async (filter: object) =>
      (await engine.timeline(undefined, { ...everything, limit: 1000, ...filter })).results;
    assert.ok((await ask({ actor: "admin" })).every(({ actor }) => actor === "admin"));
    assert.equal((await ask({ action: "created" })).length, 6);
    assert.equal((await ask({ type: "Store" })).length, 1);
    assert.equal((await ask({ element: "interface:eth0", actor: "admin" })).length, 10);
    assert.deepEqual(await ask({ actor: "nobody" }), []);
    const fromMicros = parseTimestamp("2026-11-20T00:00:10Z");
    const toMicros = parseTimestamp("2026-11-20T00:00:19Z");
    assert.deepEqual(
      (await ask({ fromMicros, toMicros })).map(({ seq }) => seq),
      [9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
    );
    await assert.rejects(ask({ element: "interface:eht0" }), refusal("unknown-element", /interface:eth0/));
  });
});

test("an event is found by number, by hash and by the beginning of its hash", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    const [event] = (await engine.event(undefined, { seq: 20 })).results;
    assert.ok(event);
    for (const hash of [event.hash, event.hash.slice(0, 8), event.hash.slice(0, 33)]) {
      assert.equal((await engine.event(undefined, { hash })).results[0]?.seq, 20);
    }
    await assert.rejects(engine.event(undefined, { seq: 5000 }), refusal("unknown-event"));
    await assert.rejects(engine.event(undefined, { hash: "ab".repeat(32) }), refusal("unknown-event"));
  });
});

test("a state is that of the last event at or before a time, or of a height", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    const element = "interface:eth3";
    const at = async (text: string) =>
      (await engine.state(undefined, { element, atMicros: parseTimestamp(text) })).results[0]?.height;
    assert.equal(await at("2026-11-20T00:00:04Z"), 0);
    assert.equal(await at("2026-11-20T00:00:09.999999Z"), 0);
    assert.equal(await at("2026-11-20T00:00:10Z"), 1);
    assert.equal((await engine.state(undefined, { element })).results[0]?.height, 9);
    const third = (await engine.state(undefined, { element, height: 3 })).results[0];
    assert.deepEqual(third?.state_snapshot, { mtu: 1400, name: "eth3", address: { v4: "10.0.3.21" }, up: true });
    await assert.rejects(at("2020-01-01"), refusal("unknown-event", /2026-11-20T00:00:04/));
    await assert.rejects(engine.state(undefined, { element, height: 99 }), refusal("bad-parameter", /0 to 9/));
    await assert.rejects(engine.state(undefined, { element: "x" }), refusal("unknown-element"));
  });
});

test("similar events are those of the same kind, without the event itself", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    for (const query of [{ seq: 56 }, { element: "interface:eth2" }]) {
      const { results, of } = await engine.similar(undefined, { ...query, limit: 5 });
      assert.equal(of.seq, 56);
      assert.equal(results.length, 5);
      assert.ok(results.every(({ element_id, seq }) => element_id === "interface:eth2" && seq !== 56));
    }
    await assert.rejects(engine.similar(undefined, { seq: 60, limit: 5 }), refusal("no-vectors"));
  });
});

test("a search shows each leg's rank and score, and words lead", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    const { results, legs } = await engine.search(undefined, { words: "eth4 changes", limit: 20 });
    assert.match(legs.vector, /around the best/);
    assert.ok(results.slice(0, 10).every(({ element_id }) => element_id === "interface:eth4"));
    assert.ok(results.every(({ text, vector }) => text || vector));
    assert.equal(results[0]?.text?.rank, 1);
    const lastText = results.findLastIndex(({ text }) => text !== undefined);
    assert.ok(results.slice(0, lastText).every(({ text }) => text !== undefined));
    await assert.rejects(engine.search(undefined, { words: '"" - *', limit: 5 }), refusal("bad-parameter"));
    const odd = await engine.search(undefined, { words: 'eth4" OR (near:', limit: 5 });
    assert.equal(odd.results[0]?.element_id, "interface:eth4");
    const parted = await engine.search(undefined, { words: "eth4\0changes", limit: 20 });
    assert.deepEqual(parted.results, results);
    const many = await engine.search(undefined, { words: "x ".repeat(2047).concat("eth4"), limit: 5 });
    assert.equal(many.results[0]?.element_id, "interface:eth4");
  });
});

test("without a space, search goes by words alone and says so", async () => {
  const root = join(folder, String(roots++));
  const builder = await StoreBuilder.create({ root, uuid: UUID });
  await builder.seal(someEvents(12, 3, undefined));
  await withEngine(root, async (engine) => {
    const { results, legs } = await engine.search(undefined, { words: "eth1", limit: 5 });
    assert.match(legs.vector, /level none/);
    assert.ok(results.length > 0);
    await assert.rejects(engine.similar(undefined, { seq: 1, limit: 5 }), refusal("no-vectors", /level none/));
  });
});

test("the vectors around what words found are looked at though the best of it has none", async () => {
  const vector = unitVector(Float32Array.from({ length: 16 }, (_, i) => i - 3));
  const bare = Array.from({ length: 6 }, (_, i) => ({ element: `host:a${i}`, state: { message: "uplink" } }));
  const { root } = await newStore([
    ...bare,
    { element: "host:b", state: { message: "the uplink has been told of at some length" }, vector },
    { element: "host:c", state: { message: "something else" }, vector },
  ]);
  await withEngine(root, async (engine) => {
    const { results, legs } = await engine.search(undefined, { words: "uplink", limit: 9 });
    assert.match(legs.vector, /around the best 1 text hits/);
    assert.equal(results.at(-1)?.element_id, "host:c");
  });
});

test("seals stand in the chain and the timeline, and in no search", async () => {
  const { root } = await newStore();
  await withEngine(root, async (engine) => {
    assert.equal((await engine.chain(undefined, { element: `store:${UUID}`, limit: 5 })).length, 1);
    assert.deepEqual((await engine.search(undefined, { words: "sealed generation", limit: 5 })).results, []);
  });
});

test("a search quotes what each event says, of one that says nothing no more, and of one that was changed that it is broken", async () => {
  const said = [
    { element: "host:uplink", state: { message: "carrier lost" } },
    { element: "host:uplink", state: {} },
    { element: "host:uplink", state: { message: "carrier back" } },
  ];
  const { root, builder } = await newStore(said, undefined);
  const path = builder.layout.generation(1).payloadsSegment(0);
  await withEngine(root, async (engine) => {
    const offset = (await readFile(path, "utf8")).indexOf("carrier back");
    await flipByte(path, offset);
    const { results } = await engine.search(undefined, { words: "uplink", limit: 5 });
    const shown = results.sort((a, b) => a.seq - b.seq).map(({ seq, excerpt, broken }) => ({ seq, excerpt, broken }));
    assert.deepEqual(shown, [
      { seq: 0, excerpt: "carrier lost", broken: undefined },
      { seq: 1, excerpt: undefined, broken: undefined },
      { seq: 2, excerpt: undefined, broken: true },
    ]);
    assert.ok(!("excerpt" in (results[1] ?? {})));
  });
});

test("a changed entry, a changed payload and a missing end are named with their place", async () => {
  for (const part of ["entries", "payloads"] as const) {
    const { root, builder } = await newStore();
    const tree = builder.layout.generation(1);
    const path = part === "entries" ? tree.entriesSegment(0) : tree.payloadsSegment(0);
    await withEngine(root, async (engine) => {
      const lines = (await readFile(path, "utf8")).split("\n");
      const offset = lines.slice(0, 14).join("\n").length + 1;
      await flipByte(path, offset + 30);
      await assert.rejects(engine.chain(undefined, { element: "interface:eth2", limit: 100 }), (error: QueryError) => {
        assert.equal(error.code, "broken-chain");
        const file = `${part}/00000000000000000000.jsonl`;
        assert.deepEqual(error.place, { element: "interface:eth2", seq: 14, height: 2, file, offset });
        return true;
      });
      assert.equal((await engine.chain(undefined, { element: "interface:eth3", limit: 100 })).results.length, 10);
      await truncate(path, offset);
      await assert.rejects(engine.event(undefined, { seq: 50 }), refusal("broken-chain"));
    });
  }
});

test("an increment is answered once promoted() resolves, vectors and all", async () => {
  const { root, builder } = await newStore();
  await withEngine(root, async (engine) => {
    for (let i = 0; i < 3; i += 1) {
      const { generation, size } = await builder.seal(someEvents(5, 5, 16, 9 + i));
      await rm(builder.layout.generation(generation - 1).dir, { recursive: true });
      assert.deepEqual(await engine.promoted(UUID, generation), { generation, size });
      const { results } = await engine.similar(undefined, { seq: size - 2, limit: 3 });
      assert.equal(results.length, 3);
      assert.equal((await engine.event(undefined, { seq: size - 2 })).generation, generation);
      assert.equal((await engine.event(undefined, { seq: 3 })).results.length, 1);
    }
    engine.setPrimaryHead(UUID, { size: builder.size + 4, atMs: Date.now() - 2000, generation: 9 });
    const { behind } = await engine.event(undefined, { seq: 3 });
    assert.equal(behind.entries, 4);
    assert.ok((behind.seconds_since_primary_heard ?? 0) >= 2);
  });
});

test("an event whose vector is late is answered at once, and by its vector a generation later, also from an index built anew", async () => {
  const { root, builder } = await newStore();
  const late = someEvents(6, 6, 16, 9).map((event) => ({ ...event, reason: "came without", late: true }));
  await withEngine(root, async (engine) => {
    const first = builder.size;
    const without = await builder.seal(late);
    await engine.promoted(UUID, without.generation);
    const { results, legs } = await engine.search(undefined, { words: "came without", limit: 6 });
    assert.deepEqual(
      results.map(({ seq }) => seq).sort(),
      [0, 1, 2, 3, 4, 5].map((i) => first + i),
    );
    assert.match(legs.vector, /no text hit with a vector/);
    await assert.rejects(
      engine.similar(undefined, { seq: first, limit: 5 }),
      refusal("no-vectors", /later generation/),
    );
    // Of an element, the newest event that has a vector is taken.
    const { of } = await engine.similar(undefined, { element: "interface:eth2", limit: 5 });
    assert.ok(of.seq < first);
    // Rows of newer events stand behind the late ones; the late ones behind those of the generation before.
    const followed = await builder.seal(someEvents(3, 3, 16, 4));
    await engine.promoted(UUID, followed.generation);
    await assertFound(engine, first);
  });
  await rm(builder.layout.index, { recursive: true, force: true });
  await withEngine(root, (engine) => assertFound(engine, 61));

  async function assertFound(engine: QueryEngine, first: number): Promise<void> {
    const { results } = await engine.similar(undefined, { seq: first + 2, limit: 5 });
    assert.ok(results.every(({ element_id }) => element_id === "interface:eth2"));
    const { legs } = await engine.search(undefined, { words: "came without", limit: 6 });
    assert.match(legs.vector, /around the best/);
  }
});

test("a store that appears later is answered after its first promotion", async () => {
  const root = join(folder, String(roots++));
  await withEngine(root, async (engine) => {
    await assert.rejects(engine.event(undefined, { seq: 0 }), refusal("not-ready"));
    const builder = await StoreBuilder.create({ root, uuid: UUID });
    const { generation } = await builder.seal(someEvents(3, 1, undefined));
    await engine.promoted(UUID, generation);
    assert.equal((await engine.event(undefined, { seq: 0 })).store, UUID);
    await assert.rejects(engine.event("other", { seq: 0 }), refusal("unknown-store"));
    const second = "0b9c6c5e-52f0-4b62-9a55-1f6f6f3c9d02";
    await (await StoreBuilder.create({ root, uuid: second, origin: "other.example" })).seal(
      someEvents(4, 1, undefined),
    );
    await engine.promoted(second, 1);
    await assert.rejects(engine.event(undefined, { seq: 0 }), refusal("bad-parameter", new RegExp(second)));
    assert.equal((await engine.event("other.example", { seq: 0 })).store, second);
  });
});

test("a sealed line that cannot be read whole stops nothing: the rest is answered, and one warning names it", async () => {
  const { root, builder } = await newStore();
  const odd = (change: Partial<TestEvent>): TestEvent => ({
    element: "interface:odd",
    state: { mtu: 9000 },
    ...change,
  });
  const lines: TestEvent[] = [
    odd({ timestamp: "2026-02-30T25:00:00.000000Z" }),
    odd({ timestamp: "9999-12-31T23:59:59.999999Z" }),
    odd({ changePayload: (line) => `${line.slice(0, -1)}\\` }),
    odd({ changePayload: (line) => line.replace("{", '{"reason":{"a":"\\n"},') }),
    odd({ changePayload: () => "" }),
  ];
  const warned: LogFields[] = [];
  const warn: Logger["warn"] = (_, fields = {}) => void warned.push(fields);
  const engine = new QueryEngine({ root, indexProcesses: 1, log: { ...log, warn } });
  await engine.start();
  try {
    const { generation, size } = await builder.seal([...lines, ...someEvents(6, 6, 16)]);
    assert.deepEqual(await engine.promoted(UUID, generation), { generation, size });
    assert.deepEqual(
      warned.map(({ events, seq }) => [events, seq]),
      [[5, 61]],
    );
    const { results } = await engine.timeline(undefined, { ...everything, limit: 1000 });
    assert.equal(results.length, size);
    const recorded = results.filter(({ seq }) => seq === 61 || seq === 62).map(({ timestamp }) => timestamp);
    assert.deepEqual(recorded, ["2026-11-20T00:01:02.000000Z", "2026-11-20T00:01:03.000000Z"]);
    assert.equal((await engine.event(undefined, { seq: 62 })).results[0]?.timestamp, "9999-12-31T23:59:59.999999Z");
    await assert.rejects(engine.event(undefined, { seq: 63 }), refusal("broken-chain"));
    const found = await engine.search(undefined, { words: "odd", limit: 50 });
    assert.deepEqual(
      found.results
        .filter(({ text }) => text)
        .map(({ seq }) => seq)
        .sort(),
      [61, 62],
    );
  } finally {
    await engine.stop();
  }
});

test("an event in full has its entry's members, whatever members its payload has", async () => {
  const changePayload = (line: string) =>
    line.replace("{", '{"actor":"nobody","hash":"00",').replace(/"state_snapshot":\{\}/, '"other":1');
  const { root } = await newStore([{ element: "interface:odd", actor: "admin", state: {}, changePayload }], undefined);
  await withEngine(root, async (engine) => {
    const [event] = (await engine.event(undefined, { seq: 0 })).results;
    assert.deepEqual([event?.actor, event?.hash.length, event?.state_snapshot], ["admin", 64, null]);
  });
});

test("a vector row of an event that is not in the store is left out, before and after a restart", async () => {
  const random = seededRandom(4);
  const stray = groupVector(16, 700, random, 0);
  const events = someEvents(20, 4, 16);
  for (const [i, vectorSeq] of [2 ** 33, 2 ** 52, 21].entries()) {
    events.push({ element: `interface:stray${i}`, state: {}, vector: stray, vectorSeq });
  }
  const { root, builder } = await newStore(events);
  for (const restart of [1, 2]) {
    const warned: LogFields[] = [];
    const warn: Logger["warn"] = (_, fields = {}) => void warned.push(fields);
    const engine = new QueryEngine({ root, indexProcesses: 1, log: { ...log, warn } });
    await engine.start();
    try {
      assert.deepEqual(
        warned.map(({ rows, seq }) => [rows, seq]),
        [[2, 2 ** 33]],
      );
      const { results } = await engine.similar(undefined, { seq: 21, limit: 10 });
      assert.equal(results.length, 10);
      assert.ok(results.every(({ seq }) => seq < 20));
      const { generation, size } = await builder.seal(someEvents(restart, 1, 16));
      assert.deepEqual(await engine.promoted(UUID, generation), { generation, size });
      assert.equal(warned.length, 1);
    } finally {
      await engine.stop();
    }
  }
});

test("a catalog that is missing, damaged, of an older format or of another ledger is built again", async () => {
  const { root, builder } = await newStore();
  const answers = () =>
    withEngine(root, async (engine) => (await engine.search(undefined, { words: "eth1", limit: 9 })).results);
  const wanted = await answers();
  const { catalog, index } = builder.layout;
  await rm(index, { recursive: true });
  assert.deepEqual(await answers(), wanted);
  const size = (await readFile(catalog)).length;
  const file = await open(catalog, "r+");
  await file.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096);
  await file.close();
  assert.deepEqual(await answers(), wanted);
  await writeFile(catalog, "not a database at all, but long enough to be looked at as one".repeat(100));
  assert.deepEqual(await answers(), wanted);
  const { default: Database } = await import("better-sqlite3");
  const old = new Database(catalog);
  old.exec("UPDATE meta SET format = 1; DROP TABLE tallies; DROP TABLE facets");
  old.close();
  assert.deepEqual(await answers(), wanted);
  const foreign = new Database(catalog);
  foreign.exec("DROP TABLE meta");
  foreign.close();
  assert.deepEqual(await answers(), wanted);
  const other = await newStore(someEvents(80, 5, 16, 77));
  await withEngine(other.root, async () => {});
  await rm(index, { recursive: true });
  await cp(other.builder.layout.index, index, { recursive: true });
  assert.deepEqual(await answers(), wanted);
});

test("a catalog whose hash is not the tree's is noticed while answering, and built again", async () => {
  const { root, builder } = await newStore();
  await withEngine(root, async (engine) => {
    const { default: Database } = await import("better-sqlite3");
    const db = new Database(builder.layout.catalog);
    db.prepare("UPDATE entries SET hash = ? WHERE seq = 8").run(leafHash(Buffer.from(sha256Hex("x"))));
    db.close();
    await assert.rejects(engine.event(undefined, { seq: 8 }), refusal("not-ready"));
    await engine.promoted(UUID, 1);
    assert.equal((await engine.event(undefined, { seq: 8 })).results[0]?.seq, 8);
  });
});

/** An engine whose pauses are short, and what it has told as a warning or worse. */
async function withRetrying(root: string, use: (engine: QueryEngine, warned: LogFields[]) => Promise<void>) {
  const warned: LogFields[] = [];
  const warn: Logger["warn"] = (_, fields = {}) => void warned.push(fields);
  const engine = new QueryEngine({ root, indexProcesses: 1, leastPauseMs: 10, log: { ...log, warn, error: warn } });
  await engine.start().catch(() => undefined);
  try {
    await use(engine, warned);
  } finally {
    await engine.stop();
  }
}

async function answersFrom(engine: QueryEngine, generation: number): Promise<void> {
  const answered = async () => (await engine.status()).stores[0]?.generation;
  await eventually(
    async () => (await answered()) === generation,
    () => `generation ${generation} is not answered`,
  );
}

test("a start that fails for a passing reason is tried again without any news, and warned of once", async () => {
  const { root, builder } = await newStore();
  const { index, storeFile, dir } = builder.layout;
  await writeFile(index, "in the way");
  await withRetrying(root, async (engine, warned) => {
    await assert.rejects(engine.event(undefined, { seq: 0 }), refusal("not-ready"));
    await eventually(
      async () => warned.length > 0,
      () => "nothing is warned of",
    );
    await rm(index);
    await answersFrom(engine, 1);
    assert.deepEqual(
      warned.map(({ store }) => store),
      [UUID],
    );
  });
  for (const path of [storeFile, dirname(dir)]) {
    await rename(path, `${path}.away`);
    if (path !== storeFile) await writeFile(path, "in the way");
    await withRetrying(root, async (engine) => {
      await assert.rejects(engine.event(undefined, { seq: 0 }), refusal("not-ready"));
      await rm(path, { force: true });
      await rename(`${path}.away`, path);
      await answersFrom(engine, 1);
    });
  }
});

test("a promotion that fails for a passing reason is tried again, and its listener hears of it late", async () => {
  const { root, builder } = await newStore();
  await withRetrying(root, async (engine) => {
    const { generation, size } = await builder.seal(someEvents(5, 5, 16));
    const { checkpoint } = builder.layout.generation(generation);
    await rename(checkpoint, `${checkpoint}.away`);
    const heard: NewsAnswer[] = [];
    await takeNews(engine, { op: "promoted", store: UUID, generation }, (answer) => heard.push(answer));
    assert.equal(heard[0]?.op, "not-answered");
    assert.equal((await engine.event(undefined, { seq: 3 })).generation, 1);
    await rename(`${checkpoint}.away`, checkpoint);
    await answersFrom(engine, generation);
    await eventually(
      async () => heard.length > 1,
      () => "the listener does not hear of it",
    );
    assert.deepEqual(heard.slice(1), [{ op: "answered", store: UUID, generation, size }]);
  });
});

test("a catalog found damaged that cannot be built at once is built later", async () => {
  const { root, builder } = await newStore();
  const { catalog, queryIndex } = builder.layout;
  await withRetrying(root, async (engine, warned) => {
    const { default: Database } = await import("better-sqlite3");
    const db = new Database(catalog);
    db.prepare("UPDATE entries SET hash = ? WHERE seq = 8").run(leafHash(Buffer.from(sha256Hex("x"))));
    db.close();
    await rename(queryIndex, `${queryIndex}.away`);
    await writeFile(queryIndex, "in the way");
    await assert.rejects(engine.event(undefined, { seq: 8 }), refusal("not-ready"));
    await eventually(
      async () => warned.length === 2,
      () => "the failure is not told",
    );
    await rm(queryIndex);
    await answersFrom(engine, 1);
    assert.equal((await engine.event(undefined, { seq: 8 })).results[0]?.seq, 8);
  });
});

test("a catalog that cannot be opened for now is kept, and answers once it can be", async () => {
  const { root, builder } = await newStore();
  await withEngine(root, async () => {});
  const { catalog } = builder.layout;
  const { ino } = await stat(catalog);
  await mkdir(`${catalog}-wal`);
  await withRetrying(root, async (engine, warned) => {
    assert.equal((warned[0]?.error as { code?: unknown } | undefined)?.code, "SQLITE_CANTOPEN");
    await rm(`${catalog}-wal`, { recursive: true });
    await answersFrom(engine, 1);
    assert.equal((await stat(catalog)).ino, ino);
  });
});

test("once the feed has been away for a while, how far behind an answer is counts as unknown, until it is back", async () => {
  const { root, builder } = await newStore();
  await builder.seal(someEvents(5, 5, 16));
  const feed = { connected: true, forMs: 60_000, problem: null as string | null };
  const engine = new QueryEngine({ root, indexProcesses: 1, feed: () => feed, log });
  await engine.start();
  try {
    engine.setPrimaryHead(UUID, { size: builder.size + 4, atMs: Date.now(), generation: 9 });
    const behind = async () => (await engine.event(undefined, { seq: 3 })).behind;
    assert.equal((await behind()).entries, 4);
    assert.equal((await engine.status()).feed?.connected, true);
    Object.assign(feed, { connected: false, forMs: 5000, problem: "the daemon has gone" });
    assert.equal((await behind()).entries, 4);
    feed.forMs = 11_000;
    assert.deepEqual(await behind(), { known: false, entries: null, seconds_since_primary_heard: null });
    const { feed: shown } = await engine.status();
    assert.deepEqual([shown?.connected, shown?.problem], [false, "the daemon has gone"]);
    assert.ok(Date.now() - Date.parse(shown?.since ?? "") >= 11_000);
    feed.connected = true;
    assert.equal((await behind()).entries, 4);
  } finally {
    await engine.stop();
  }
});
