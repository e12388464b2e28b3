import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { formatCheckpoint } from "../../../shared/format/checkpoint.js";
import { type Entry, formatEntry } from "../../../shared/format/entry.js";
import { HASH_BYTES, leafHash, sha256Hex } from "../../../shared/format/hash.js";
import { signNote } from "../../../shared/format/signed-note.js";
import { MerkleTree } from "../../../shared/format/tree.js";
import type { TreeLayout } from "../../../shared/store/layout.js";
import { MapHeads } from "../../../shared/verify/map-heads.js";
import type { VerifyError } from "../../../shared/verify/verify-error.js";
import {
  type GenerationToVerify,
  NOTHING_VERIFIED,
  type VerifiedGeneration,
  verifyGeneration,
} from "../../../shared/verify/verify-generation.js";
import { walkInThreads } from "../../../shared/verify/walk-in-threads.js";
import { StoreBuilder, someEvents } from "../../support/build-store.js";
import { until } from "../../support/until.js";
import { withFolder } from "../../support/with-folder.js";

const ONE_PROCESS = { threads: 1, rangeEvents: 256, eventsPerThread: 1 };
const IN_THREADS = { threads: 2, rangeEvents: 256, eventsPerThread: 1 };

/** Chains of 7 elements over six ranges of 256, and seals at 400 and 1,501. */
async function makeStore(root: string): Promise<StoreBuilder> {
  const store = await StoreBuilder.create({ root, uuid: randomUUID() });
  await store.seal(someEvents(400, 7, undefined));
  await store.seal(someEvents(1100, 7, undefined));
  return store;
}

type Options = Partial<GenerationToVerify>;

function verify(store: StoreBuilder, options: Options): Promise<VerifiedGeneration> {
  const tree = store.layout.generation(2);
  const common = { tree, storeUuid: store.uuid, keys: [store.signer], from: NOTHING_VERIFIED, heads: new MapHeads() };
  return verifyGeneration({ ...common, ...options });
}

/** The error, which must be the same in one process and in threads. */
async function whatIsBad(store: StoreBuilder, options: Options = {}): Promise<VerifyError> {
  const told: VerifyError[] = [];
  for (const threads of [ONE_PROCESS, IN_THREADS]) {
    await verify(store, { ...options, heads: new MapHeads(), threads }).then(
      () => assert.fail("it is said to be intact"),
      (error: VerifyError) => told.push(error),
    );
  }
  const [alone, inThreads] = told.map(({ verdict, place, message }) => ({ verdict, place, message }));
  assert.deepEqual(inThreads, alone);
  return told[1] as VerifyError;
}

async function editLine(path: string, line: number, edit: (text: string) => string): Promise<void> {
  const lines = (await readFile(path, "utf8")).split("\n");
  lines[line] = edit(lines[line] as string);
  await writeFile(path, lines.join("\n"));
}

/** Changes an entry and signs what comes of it: what a primary gone wrong could seal. */
async function sealWith(store: StoreBuilder, seq: number, edit: (entry: Entry) => Partial<Entry>): Promise<void> {
  const files = store.layout.generation(2);
  await editLine(files.entriesSegment(0), seq, (line) => {
    const entry = JSON.parse(line) as Entry;
    return formatEntry({ ...entry, ...edit(entry) });
  });
  const tree = new MerkleTree();
  const levels: Buffer[][] = [[], []];
  const lines = (await readFile(files.entriesSegment(0), "utf8")).trimEnd().split("\n");
  for (const line of lines) tree.append(leafHash(Buffer.from(line)), (level, hash) => levels[level]?.push(hash));
  for (const [level, hashes] of levels.entries()) await writeFile(files.treeLevel(level), Buffer.concat(hashes));
  const checkpoint = formatCheckpoint({ origin: store.origin, size: tree.size, root: tree.root() });
  await writeFile(files.checkpoint, signNote(checkpoint, store.signer));
}

async function rootAt(files: TreeLayout, size: number): Promise<Buffer> {
  const leaves = await readFile(files.treeLevel(0));
  const tree = new MerkleTree();
  for (let at = 0; at < size * HASH_BYTES; at += HASH_BYTES) tree.append(leaves.subarray(at, at + HASH_BYTES));
  return tree.root();
}

test("threads find what one process finds: state, chains and seals, from nothing and from inside a tile", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const findIn = async (threads: typeof IN_THREADS) => {
      const heads = new MapHeads();
      const first = await verify(store, { tree: store.layout.generation(1), heads, threads });
      assert.equal(first.size, 401);
      const untilFirst = structuredClone(heads.all);
      const seen: number[] = [];
      const onProgress = (seq: number) => seen.push(seq);
      const second = await verify(store, { from: first, heads, threads, onProgress });
      assert.equal(seen.at(-1), 1502);
      const placeUnknown = new MapHeads();
      for (const [elementId, head] of untilFirst) placeUnknown.setHead(elementId, head);
      const again = await verify(store, { from: { ...first, last: undefined }, heads: placeUnknown, threads });
      assert.deepEqual(again, second);
      assert.deepEqual(placeUnknown.all, heads.all);
      const fresh = new MapHeads();
      assert.deepEqual(await verify(store, { heads: fresh, threads }), second);
      assert.deepEqual(fresh.all, heads.all);
      return { first, second, heads: heads.all };
    };
    const inThreads = await findIn(IN_THREADS);
    assert.deepEqual(inThreads, await findIn(ONE_PROCESS));
    assert.deepEqual(inThreads.second.tree.root(), inThreads.second.checkpoint.root);
  }));

test("threads hand on each good range in ledger order, and end before one that is not", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const tree = store.layout.generation(2);
    const rangesFrom = async (from: number) => {
      const found: [from: number, events: number][] = [];
      for await (const range of walkInThreads({ tree, storeUuid: store.uuid, from, to: 1502 }, IN_THREADS))
        found.push([range.from, range.leaves.length / HASH_BYTES]);
      return found;
    };
    const whole = [256, 512, 768, 1024].map((from) => [from, 256]);
    assert.deepEqual(await rangesFrom(0), [[0, 256], ...whole, [1280, 222]]);
    assert.deepEqual(await rangesFrom(401), [[401, 111], ...whole.slice(1), [1280, 222]]);
    await editLine(tree.payloadsSegment(0), 800, (line) => `${line} `);
    assert.deepEqual(await rangesFrom(0), [[0, 256], ...whole.slice(0, 2)]);
  }));

test("of two bad places the first is told, whichever thread is done first", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const { payloads, entries } = {
      payloads: store.layout.generation(2).payloadsSegment(0),
      entries: store.layout.generation(2).entriesSegment(0),
    };
    await editLine(entries, 1300, (line) => line.replace("modified", "modifies"));
    assert.equal((await whatIsBad(store)).place.seq, 1300);
    // The last of its range: a thread that begins with a later one is done long before.
    await editLine(payloads, 767, (line) => line.replace("change number", "change Number"));
    const { place, verdict } = await whatIsBad(store);
    assert.deepEqual([verdict, place.seq, place.elementId], ["tampered", 767, "interface:eth2"]);
  }));

test("lines that end early or go on behind the checkpoint are told after all that is before them", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const path = store.layout.generation(2).payloadsSegment(0);
    const text = await readFile(path, "utf8");
    await writeFile(path, `${text}{}\n`);
    assert.deepEqual((await whatIsBad(store)).place.seq, 1502);
    await writeFile(path, text.slice(0, -1));
    assert.deepEqual((await whatIsBad(store)).place.seq, 1501);
    await writeFile(path, `${text.split("\n").slice(0, 1024).join("\n")}\n`);
    const { verdict, place } = await whatIsBad(store);
    assert.deepEqual([verdict, place.seq], ["incomplete", 1024]);
    await editLine(path, 900, (line) => line.replace("change number", "change Number"));
    assert.equal((await whatIsBad(store)).place.seq, 900);
  }));

test("a chain that parts at the border of two ranges is found there, by link and by height", () =>
  withFolder(async (root) => {
    for (const edit of [
      () => ({ previous_event_hash: "ab".repeat(32) }),
      ({ height }: Entry) => ({ height: height + 1 }),
      () => ({ element_id: "interface:never-seen" }),
    ]) {
      const store = await makeStore(root);
      await sealWith(store, 512, edit);
      const { place, verdict } = await whatIsBad(store);
      assert.deepEqual([verdict, place.seq], ["tampered", 512]);
    }
  }));

test("a seal that does not count up from that of an earlier range is found", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const path = store.layout.generation(2).payloadsSegment(0);
    await editLine(path, 1501, (line) => line.replace('"generation":2', '"generation":3'));
    const payload = (await readFile(path, "utf8")).split("\n")[1501] as string;
    await sealWith(store, 1501, () => ({ payload_hash: sha256Hex(payload) }));
    const { message, place } = await whatIsBad(store);
    assert.match(message, /it seals generation 3 after 1/);
    assert.deepEqual([place.seq, place.elementId], [1501, `store:${store.uuid}`]);
  }));

test("an accepted head is looked for at its size, inside a range, at its border and at the end", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    for (const size of [1, 700, 768, 1024, 1502]) {
      const right = { size, root: await rootAt(store.layout.generation(2), size) };
      await verify(store, { mustContain: right, threads: IN_THREADS });
      const { message, place } = await whatIsBad(store, { mustContain: { size, root: Buffer.alloc(HASH_BYTES) } });
      assert.match(message, /diverged/);
      assert.equal(place.seq, size - 1);
    }
  }));

test("with one element, its payloads are checked and those of others are not", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const path = store.layout.generation(2).payloadsSegment(0);
    await editLine(path, 700, (line) => line.replace("change number", "change Number"));
    await verify(store, { element: "interface:eth1", threads: IN_THREADS });
    const { place } = await whatIsBad(store, { element: "interface:eth5" });
    assert.equal(place.elementId, "interface:eth5");
  }));

test("no thread outlives a verification, be it good, bad or given up", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const threadsLeft = () => process.getActiveResourcesInfo().filter((name) => /worker|messageport/i.test(name));
    const before = threadsLeft();
    await verify(store, { threads: IN_THREADS });
    await until(() => threadsLeft().length === before.length);
    const givenUp = new AbortController();
    const ended = verify(store, {
      threads: IN_THREADS,
      signal: givenUp.signal,
      onProgress: () => givenUp.abort(),
    });
    await assert.rejects(ended, { name: "AbortError" });
    await until(() => threadsLeft().length === before.length);
    await editLine(store.layout.generation(2).payloadsSegment(0), 5, (line) => `${line} `);
    await assert.rejects(verify(store, { threads: IN_THREADS }), { verdict: "tampered" });
    await until(() => threadsLeft().length === before.length);
  }));
