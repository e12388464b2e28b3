import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { cp, mkdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { generateSigner, KEY_TYPE, signNote } from "../../../shared/format/signed-note.js";
import { type Space, spaceName } from "../../../shared/format/space.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { loadVerifiedState } from "../../../shared/verify/load-verified-state.js";
import { MapHeads } from "../../../shared/verify/map-heads.js";
import type { VerifyError } from "../../../shared/verify/verify-error.js";
import { NOTHING_VERIFIED, type VerifiedState, verifyGeneration } from "../../../shared/verify/verify-generation.js";
import type { WalkThreads } from "../../../shared/verify/walk-events.js";
import { StoreBuilder, seededRandom, type TestEvent } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const random = seededRandom(7);

function events(count: number): TestEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    element: `interface:eth${i % 5}`,
    action: "modified",
    state: { mtu: 1500 + i, note: `state ${i}` },
    vector: Float32Array.from({ length: 8 }, () => random() / 2),
  }));
}

async function makeStore(root: string): Promise<StoreBuilder> {
  const store = await StoreBuilder.create({ root, uuid: randomUUID(), dimensions: 8 });
  await store.seal(events(300));
  await store.seal(events(40));
  return store;
}

/** Every check is made the same in one process and in threads beside it. */
const WAYS: { way: string; threads: WalkThreads }[] = [
  { way: "in one process", threads: { threads: 1, rangeEvents: 256, eventsPerThread: 1 } },
  { way: "in threads", threads: { threads: 2, rangeEvents: 256, eventsPerThread: 1 } },
];

function verifyAll(store: StoreBuilder, tree = store.layout.generation(2), threads?: WalkThreads) {
  return verifyGeneration({
    tree,
    threads,
    storeUuid: store.uuid,
    keys: [store.signer],
    generation: 2,
    from: NOTHING_VERIFIED,
    heads: new MapHeads(),
  });
}

/** The chains as they stand after generation 2. */
async function headsAfter({ layout, uuid, signer }: StoreBuilder): Promise<MapHeads> {
  const heads = new MapHeads();
  await verifyGeneration({
    tree: layout.generation(2),
    storeUuid: uuid,
    keys: [signer],
    from: NOTHING_VERIFIED,
    heads,
  });
  return heads;
}

/** Changes one byte of a file, at `share` of its length. */
async function flipByte(path: string, share: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length * share);
  bytes[at] = (bytes[at] as number) ^ 1;
  await writeFile(path, bytes);
}

async function editText(path: string, edit: (text: string) => string): Promise<void> {
  await writeFile(path, edit(await readFile(path, "utf8")));
}

interface Damage {
  name: string;
  verdict: VerifyError["verdict"];
  place: RegExp;
  seq?: number;
  act(tree: TreeLayout, store: StoreBuilder): Promise<void>;
}

const DAMAGES: Damage[] = [
  {
    name: "an entry's action is changed",
    verdict: "tampered",
    place: /^timing\/entries\/0{20}\.jsonl$/,
    seq: 17,
    act: (tree) =>
      editText(tree.entriesSegment(0), (text) => {
        const lines = text.split("\n");
        lines[17] = (lines[17] as string).replace("modified", "modifies");
        return lines.join("\n");
      }),
  },
  {
    name: "a payload is changed",
    verdict: "tampered",
    place: /^timing\/payloads\//,
    seq: 20,
    act: (tree) => editText(tree.payloadsSegment(0), (text) => text.replace('"state 20"', '"state 2O"')),
  },
  {
    name: "a stored leaf hash is changed",
    verdict: "tampered",
    place: /^timing\/tree\/0\.hashes$/,
    seq: 171,
    act: (tree) => flipByte(tree.treeLevel(0), 0.5),
  },
  {
    name: "a hash of a higher level is changed",
    verdict: "tampered",
    place: /^timing\/tree\/1\.hashes$/,
    act: (tree) => flipByte(tree.treeLevel(1), 0.5),
  },
  {
    name: "a vector is changed",
    verdict: "tampered",
    place: /^vector\/.*\.vec$/,
    act: (tree, store) => flipByte(tree.rows(spaceName(store.space as Space), 0), 0.5),
  },
  {
    name: "a space's definition is changed",
    verdict: "tampered",
    place: /^vector\/.*\/space\.json$/,
    act: (tree, store) =>
      editText(tree.spaceFile(spaceName(store.space as Space)), (text) =>
        text.replace('"normalised":true', '"normalised":false'),
      ),
  },
  {
    name: "the checkpoint's size is changed",
    verdict: "tampered",
    place: /^timing\/checkpoint$/,
    act: (tree) => editText(tree.checkpoint, (text) => text.replace("\n342\n", "\n341\n")),
  },
  {
    name: "the checkpoint is signed by a key that is not trusted",
    verdict: "unsigned",
    place: /^timing\/checkpoint$/,
    act: (tree, store) =>
      editText(tree.checkpoint, (text) =>
        signNote(text.slice(0, text.indexOf("\n\n") + 1), generateSigner(store.origin, KEY_TYPE.ed25519)),
      ),
  },
  {
    name: "the checkpoint is gone",
    verdict: "unsigned",
    place: /^timing\/checkpoint$/,
    act: (tree) => rm(tree.checkpoint),
  },
  {
    name: "the last entries are cut off",
    verdict: "incomplete",
    place: /^timing\/entries\//,
    seq: 340,
    act: (tree) => editText(tree.entriesSegment(0), (text) => `${text.split("\n").slice(0, 340).join("\n")}\n`),
  },
  {
    name: "the last payloads are cut off",
    verdict: "incomplete",
    place: /^timing\/payloads\//,
    seq: 300,
    act: (tree) => editText(tree.payloadsSegment(0), (text) => `${text.split("\n").slice(0, 300).join("\n")}\n`),
  },
  {
    name: "the vectors are cut off",
    verdict: "incomplete",
    place: /^vector\/.*\.vec$/,
    act: (tree, store) => truncate(tree.rows(spaceName(store.space as Space), 0), 400),
  },
  {
    name: "a hash file is gone",
    verdict: "incomplete",
    place: /^timing\/tree\/0\.hashes$/,
    act: (tree) => rm(tree.treeLevel(0)),
  },
  {
    name: "the payloads folder is gone",
    verdict: "incomplete",
    place: /^timing\/payloads$/,
    act: (tree) => rm(tree.payloads, { recursive: true }),
  },
  {
    name: "an entry is added behind the checkpoint",
    verdict: "tampered",
    place: /^timing\/entries\//,
    seq: 342,
    act: async (tree) => {
      await editText(tree.entriesSegment(0), (text) => `${text}{}\n`);
      await editText(tree.payloadsSegment(0), (text) => `${text}{}\n`);
    },
  },
  {
    name: "a file that has no place there is added",
    verdict: "tampered",
    place: /^timing\/notes\.txt$/,
    act: (tree) => writeFile(join(tree.timing, "notes.txt"), "hello"),
  },
  {
    name: "a segment is a link to elsewhere",
    verdict: "tampered",
    place: /^timing\/entries\/0{20}\.jsonl$/,
    act: async (tree) => {
      await cp(tree.entriesSegment(0), join(tree.dir, "..", "elsewhere"));
      await rm(tree.entriesSegment(0));
      await symlink("../../../elsewhere", tree.entriesSegment(0));
    },
  },
  {
    name: "the vectors are of another generation",
    verdict: "tampered",
    place: /^vector\/generation$/,
    act: (tree) => writeFile(tree.vectorGeneration, "1\n"),
  },
];

for (const { way, threads } of WAYS) {
  test(`${way}: a store as it was sealed is intact, whole and from an earlier head`, () =>
    withFolder(async (root) => {
      const store = await makeStore(root);
      const verified = await verifyAll(store, store.layout.generation(2), threads);
      assert.deepEqual([verified.size, verified.generation], [342, 2]);
      const heads = new MapHeads();
      const keys = [store.signer];
      const common = { storeUuid: store.uuid, keys, heads, threads };
      const first = await verifyGeneration({ ...common, tree: store.layout.generation(1), from: NOTHING_VERIFIED });
      const loaded = await loadVerifiedState(store.layout.generation(1), 1, keys);
      assert.deepEqual(loaded?.rows, first.rows);
      assert.ok(loaded);
      const second = await verifyGeneration({ ...common, tree: store.layout.generation(2), from: loaded });
      assert.deepEqual(second.tree.root(), verified.tree.root());
      assert.deepEqual(second.rows, verified.rows);
    }));

  for (const { name, verdict, place, seq, act } of DAMAGES) {
    test(`${way}: ${verdict}: ${name}, and the place is named`, () =>
      withFolder(async (root) => {
        const store = await makeStore(root);
        const tree = new TreeLayout(join(root, "copy"));
        await mkdir(tree.dir);
        await cp(store.layout.generation(2).dir, tree.dir, { recursive: true });
        await act(tree, store);
        await assert.rejects(verifyAll(store, tree, threads), (error: VerifyError) => {
          assert.equal(error.verdict, verdict, error.message);
          assert.match(error.place.file, place);
          if (seq !== undefined) assert.equal(error.place.seq, seq);
          return true;
        });
        await verifyAll(store);
      }));
  }
}

test("incomplete: vectors that were sealed before are gone from a generation that adds none", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const from = await verifyAll(store);
    await store.seal([{ element: "interface:eth9", state: {} }]);
    const tree = store.layout.generation(3);
    const common = { tree, storeUuid: store.uuid, keys: [store.signer], generation: 3 };
    await verifyGeneration({ ...common, from, heads: await headsAfter(store) });
    await rm(tree.rows(spaceName(store.space as Space), 0));
    await assert.rejects(verifyGeneration({ ...common, from, heads: await headsAfter(store) }), {
      verdict: "incomplete",
      place: { file: `vector/${spaceName(store.space as Space)}/00000000000000000000.vec` },
    });
  }));

const lateEvents = (count: number) => events(count).map((event) => ({ ...event, late: true }));

test("events that a seal calls late get their rows with the next one, on the way and from nothing", () =>
  withFolder(async (root) => {
    const store = await StoreBuilder.create({ root, uuid: randomUUID(), dimensions: 8 });
    await store.seal([...events(3), ...lateEvents(2)]);
    await store.seal([...events(2), ...lateEvents(1)]);
    await store.seal([]);
    const keys = [store.signer];
    const heads = new MapHeads();
    let from: VerifiedState = NOTHING_VERIFIED;
    const said: unknown[] = [];
    for (const generation of [1, 2, 3]) {
      const tree = store.layout.generation(generation);
      from = await verifyGeneration({ tree, storeUuid: store.uuid, keys, from, heads });
      said.push([from.late, [...from.rows.values()]]);
      assert.deepEqual((await loadVerifiedState(tree, generation, keys))?.late, from.late);
    }
    assert.deepEqual(said, [
      [[[3, 4]], [3]],
      [[[8, 8]], [7]],
      [[], [8]],
    ]);
    const tree = store.layout.generation(3);
    const whole = await verifyGeneration({
      tree,
      storeUuid: store.uuid,
      keys,
      from: NOTHING_VERIFIED,
      heads: new MapHeads(),
    });
    assert.deepEqual([whole.late, whole.rows], [from.late, from.rows]);
  }));

const DISHONEST: { name: string; seq: number; why: RegExp; seals: (store: StoreBuilder) => Promise<unknown> }[] = [
  {
    name: "an event is late no more, and no row came",
    seq: 6,
    why: /event 4 is late no more and got no row/,
    seals: async (store) => {
      await store.seal([...events(3), ...lateEvents(1), { element: "interface:eth1", state: {} }], (seal) => ({
        ...seal,
        late: [[3, 4]],
      }));
      await store.seal([]);
    },
  },
  {
    name: "an event is called late and its row is there",
    seq: 3,
    why: /calls event 1 late and adds its row/,
    seals: (store) => store.seal(events(3), (seal) => ({ ...seal, late: [[1, 1]] })),
  },
  {
    name: "an event is called late that an earlier seal did not call late",
    seq: 7,
    why: /calls event 2 late, which the seal before did not/,
    seals: async (store) => {
      await store.seal(events(3));
      await store.seal(events(3), (seal) => ({ ...seal, late: [[2, 2]] }));
    },
  },
  {
    name: "an event is called late that is not there yet",
    seq: 3,
    why: /late that come after it/,
    seals: (store) => store.seal(events(3), (seal) => ({ ...seal, late: [[3, 9]] })),
  },
];
for (const { name, seq, why, seals } of DISHONEST) {
  test(`tampered: ${name}, whoever signed it`, () =>
    withFolder(async (root) => {
      const store = await StoreBuilder.create({ root, uuid: randomUUID(), dimensions: 8 });
      await seals(store);
      const { generation, layout, uuid, signer } = store;
      const tree = layout.generation(generation);
      const verified = verifyGeneration({
        tree,
        storeUuid: uuid,
        keys: [signer],
        from: NOTHING_VERIFIED,
        heads: new MapHeads(),
      });
      await assert.rejects(verified, (error: VerifyError) => {
        assert.deepEqual([error.verdict, error.place.seq], ["tampered", seq]);
        assert.match(error.message, why);
        return true;
      });
    }));
}

test("a state whose newest seal is not the one under its root is not taken up again", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const tree = store.layout.generation(2);
    assert.ok(await loadVerifiedState(tree, 2, [store.signer]));
    await editText(tree.payloadsSegment(0), (text) => {
      const at = text.lastIndexOf('"salt":"') + '"salt":"'.length;
      return `${text.slice(0, at)}ffff${text.slice(at + 4)}`;
    });
    assert.equal(await loadVerifiedState(tree, 2, [store.signer]), undefined);
  }));

test("stale: an older generation under an accepted head that is newer", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const { checkpoint } = await verifyAll(store);
    const older = verifyGeneration({
      tree: store.layout.generation(1),
      storeUuid: store.uuid,
      keys: [store.signer],
      from: NOTHING_VERIFIED,
      mustContain: checkpoint,
      heads: new MapHeads(),
    });
    await assert.rejects(older, { verdict: "stale" });
  }));

test("tampered: a ledger that parts from the head that was accepted, though its own signature is good", () =>
  withFolder(async (root) => {
    const store = await makeStore(root);
    const { tree } = await verifyAll(store);
    const forked = verifyGeneration({
      tree: store.layout.generation(2),
      storeUuid: store.uuid,
      keys: [store.signer],
      from: NOTHING_VERIFIED,
      mustContain: { size: 100, root: tree.root() },
      heads: new MapHeads(),
    });
    await assert.rejects(forked, /diverged/);
  }));
