// Pushes that are cut and gone on with, over a real `btrfs receive`: what arrives in pieces must be what was sent in one.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type AnnouncedPush, PartialKeeper } from "../../../replica/receive/keep-partial.js";
import { type Arrival, type Arrived, receiveGeneration } from "../../../replica/receive/receive-generation.js";
import { isPartDue, LEAST_KEPT_BYTES } from "../../../replica/receive/receive-in-parts.js";
import { ReplicaRoom } from "../../../replica/receive/require-room.js";
import { createLogger } from "../../../shared/log.js";
import { createSubvolume, deleteSubvolume, showSubvolume, snapshotReadOnly } from "../../../shared/store/btrfs.js";
import { deletePair } from "../../../shared/store/generations.js";
import { StoreLayout, SUBVOLUMES, TreeLayout } from "../../../shared/store/layout.js";
import { SpareProcesses } from "../../../shared/store/spare-processes.js";
import { CommandWalker } from "../../../shared/store/walk-commands.js";
import { eventually } from "../../support/drive-fleet.js";
import { ROOT } from "../../support/require-part.js";
import { sendPair, sendStream } from "../../support/send-by-hand.js";
import { makeVolume } from "../../support/with-volume.js";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ORIGIN = "host1.test/isochron";
const skip = process.geteuid?.() === 0 || process.env.CI === "true" ? false : `root is missing; ${ROOT.howToGet}`;

describe("a push that is cut", { skip }, () => {
  let volume: Awaited<ReturnType<typeof makeVolume>>;
  let store: StoreLayout;
  let source: TreeLayout;
  let bytes: Buffer;
  let timingBytes: number;
  let keeper: PartialKeeper;

  before(async () => {
    volume = await makeVolume();
    const live = new TreeLayout(join(volume.root, "live"));
    await mkdir(live.dir);
    for (const name of SUBVOLUMES) await createSubvolume(live.subvolume(name));
    for (const dir of [live.entries, live.payloads, live.space("space")]) await mkdir(dir);
    for (const path of [live.entriesSegment(0), live.payloadsSegment(0), live.rows("space", 0)]) {
      await writeFile(path, randomBytes(2 * MIB));
    }
    await writeFile(live.checkpoint, "checkpoint\n");
    await writeFile(live.vectorGeneration, "1\n");
    source = new TreeLayout(join(volume.root, "1"));
    await mkdir(source.dir);
    for (const name of SUBVOLUMES) await snapshotReadOnly(live.subvolume(name), source.subvolume(name));
    bytes = await sendPair(source);
    timingBytes = (await sendStream(source.timing)).length;
  });
  after(() => volume?.remove());

  beforeEach(async () => {
    store = new StoreLayout(join(volume.root, `store-${randomBytes(4).toString("hex")}`));
    await mkdir(store.staging, { recursive: true });
    keeper = await restart();
  });

  /** What the start of a daemon makes of the store. */
  async function restart(maxAgeMs = HOUR_MS): Promise<PartialKeeper> {
    keeper?.stop();
    keeper = new PartialKeeper(store, maxAgeMs, createLogger("error"));
    await keeper.load(0);
    await keeper.sweep();
    return keeper;
  }

  async function push(stream: Readable, more: Partial<Arrival & AnnouncedPush> = {}): Promise<Arrived> {
    const announced = { generation: 1, base: undefined, resume: undefined, ...more };
    const from = await keeper.claim(announced);
    try {
      const arrived = await receiveGeneration({
        dir: join(store.staging, `1-${randomBytes(6).toString("hex")}`),
        stream,
        encoding: "identity",
        base: undefined,
        from,
        rule: { leastBytes: 100 * MIB, leastMs: 0 },
        keep: (part) => keeper.keep(ORIGIN, announced, part),
        stallMs: 60_000,
        room: new ReplicaRoom(store.staging, 0),
        onEnd: () => undefined,
        spares: new SpareProcesses({ spares: 0, shells: 0 }),
        ...(more.encoding ? { encoding: more.encoding } : {}),
        ...(more.rule ? { rule: more.rule } : {}),
      });
      await arrived.settled;
      return arrived;
    } catch (error) {
      await keeper.sweep();
      throw error;
    } finally {
      keeper.release();
    }
  }

  /** Ends as a connection does that breaks. */
  function cutAt(stream: Buffer, end: number, begin = 0): Readable {
    return Readable.from(
      (function* () {
        for (let at = begin; at < end; at += 50_000) yield stream.subarray(at, Math.min(end, at + 50_000));
        throw new Error("the link is gone");
      })(),
    );
  }

  async function pushCutAt(end: number): Promise<void> {
    await assert.rejects(push(cutAt(bytes, end)), { name: "ReceiveError", code: "bad-stream", message: /is gone/ });
  }

  /** Goes on with what is kept, with all that is left. */
  async function goOn(): Promise<Arrived> {
    const resume = keeper.partial?.place;
    assert.ok(resume);
    return push(Readable.from([bytes.subarray(resume.bytes)]), { resume });
  }

  async function assertWhole({ tree }: Arrived): Promise<void> {
    for (const name of SUBVOLUMES) {
      await execa("diff", ["-r", source.subvolume(name), tree.subvolume(name)]);
      const [sent, received] = [await showSubvolume(source.subvolume(name)), await showSubvolume(tree.subvolume(name))];
      assert.deepEqual([received.receivedUuid, received.readOnly], [sent.uuid, true]);
    }
    assert.equal((await readdir(store.staging)).length, 1);
    await deletePair(tree.dir);
  }

  test("goes on at the last whole command, also after a restart, wherever it was cut", async () => {
    const places = [1.2 * MIB, 3 * MIB, timingBytes, timingBytes + 5, timingBytes + 1.5 * MIB, bytes.length - 1];
    for (const place of places.map(Math.floor)) {
      await pushCutAt(place);
      const kept = keeper.partial?.place.bytes ?? 0;
      const walker = new CommandWalker();
      walker.walk(bytes.subarray(0, place));
      assert.deepEqual(keeper.partial?.place, walker.place);
      await restart();
      assert.equal(keeper.partial?.place.bytes, kept);
      await assertWhole(await goOn());
      await keeper.forget();
    }
  });

  test("can be cut again and again", async () => {
    await pushCutAt(2 * MIB);
    for (const end of [3.5, 5].map((mib) => mib * MIB)) {
      const resume = keeper.partial?.place;
      await assert.rejects(push(cutAt(bytes, end, resume?.bytes), { resume }), /is gone/);
      assert.ok((keeper.partial?.place.bytes ?? 0) > end - 100_000);
    }
    await assertWhole(await goOn());
  });

  test("needs none of its bytes again once all have arrived, however often it is begun again", async () => {
    await push(Readable.from([bytes]), { rule: { leastBytes: MIB, leastMs: 0 } });
    await restart();
    assert.equal(keeper.partial?.place.bytes, bytes.length);
    await assertWhole(await goOn());
  });

  test("compressed, is kept as far as it could be read, and goes on uncompressed", async () => {
    const { stdout } = await execa("zstd", ["-q", "-c"], { input: bytes, encoding: "buffer" });
    const compressed = Buffer.from(stdout);
    const cut = cutAt(compressed, Math.floor(compressed.length * 0.7));
    await assert.rejects(push(cut, { encoding: "zstd" }), /is gone/);
    assert.ok((keeper.partial?.place.bytes ?? 0) > bytes.length / 2);
    await assertWhole(await goOn());
  });

  test("by a crash of the replica, goes on after the last whole part", async () => {
    const stream = new PassThrough();
    stream.write(bytes.subarray(0, 5 * MIB));
    const dying = push(stream, { rule: { leastBytes: 2 * MIB, leastMs: 0 } });
    dying.catch(() => undefined);
    await eventually(
      async () => (keeper.partial?.place.bytes ?? 0) > 4 * MIB - 100_000 && (await readdir(store.staging)).length === 2,
      () => "no part was kept",
    );
    // What a start finds while the next part is open: it is swept, and what was closed is gone on with. A real crash leaves
    // no receive that is still making its first subvolume there.
    await eventually(
      () =>
        restart().then(
          () => true,
          () => false,
        ),
      () => "the open part cannot be swept",
    );
    assert.deepEqual(await readdir(store.staging), [keeper.partial?.folder]);
    await assertWhole(await goOn());
    stream.destroy(new Error("killed"));
    await assert.rejects(dying);
  });

  test("early is not kept: nothing is left of it", async () => {
    await pushCutAt(LEAST_KEPT_BYTES - 1000);
    assert.equal(keeper.partial, undefined);
    assert.deepEqual(await readdir(store.staging), []);
  });

  test("is let go when the next push begins anew", async () => {
    await pushCutAt(3 * MIB);
    await assertWhole(await push(Readable.from([bytes])));
    assert.equal(keeper.partial, undefined);
  });

  test("is refused and let go when it is gone on with at another place", async () => {
    await pushCutAt(3 * MIB);
    const resume = { bytes: keeper.partial?.place.bytes ?? 0, digest: "0".repeat(64) };
    await assert.rejects(push(Readable.from([bytes]), { resume }), { code: "partial-missing" });
    assert.equal(keeper.partial, undefined);
    assert.deepEqual(await readdir(store.staging), []);
  });

  test("is let go at the start when a subvolume of it is gone, or its note cannot be read", async () => {
    await pushCutAt(3 * MIB);
    await deleteSubvolume(join(store.staging, keeper.partial?.folder ?? "", "timing"));
    assert.equal((await restart()).partial, undefined);
    await pushCutAt(3 * MIB);
    await writeFile(store.partial, '{"generation":1');
    assert.equal((await restart()).partial, undefined);
    assert.deepEqual(await readdir(store.staging), []);
  });

  test("is let go once it is too old, and at the start when nothing is to be kept", async () => {
    await pushCutAt(3 * MIB);
    await restart(1);
    await eventually(
      async () => keeper.partial === undefined && (await readdir(store.staging)).length === 0,
      () => "what is too old stays",
    );
    await restart();
    await pushCutAt(3 * MIB);
    assert.equal((await restart(0)).partial, undefined);
    await assert.rejects(readFile(store.partial), { code: "ENOENT" });
  });

  test("is not too old for a clock that has not been set yet", async () => {
    await pushCutAt(3 * MIB);
    const note = JSON.parse(await readFile(store.partial, "utf8"));
    await writeFile(
      store.partial,
      JSON.stringify({ ...note, kept_at: new Date(Date.now() + 60 * DAY_MS).toISOString() }),
    );
    await restart();
    // Longer than a timer that has been set to nothing takes.
    await sleep(50);
    assert.equal(keeper.partial?.generation, 1);
  });

  test("of a generation that is held by now is let go at the start", async () => {
    await pushCutAt(3 * MIB);
    await keeper.load(1);
    assert.equal(keeper.partial, undefined);
    await rm(store.dir, { recursive: true });
  });
});

test("a part is closed for its bytes and its time, and seldom where that takes long", () => {
  const rule = { leastBytes: 100, leastMs: 5000 };
  assert.equal(isPartDue(rule, { bytes: 99, elapsedMs: 60_000, closingMs: 0 }), false);
  assert.equal(isPartDue(rule, { bytes: 100, elapsedMs: 4999, closingMs: 0 }), false);
  assert.equal(isPartDue(rule, { bytes: 100, elapsedMs: 5000, closingMs: 0 }), true);
  assert.equal(isPartDue(rule, { bytes: 100, elapsedMs: 19_999, closingMs: 2000 }), false);
  assert.equal(isPartDue(rule, { bytes: 100, elapsedMs: 20_000, closingMs: 2000 }), true);
  assert.equal(isPartDue({ ...rule, leastMs: 0 }, { bytes: 100, elapsedMs: 0, closingMs: 2000 }), true);
});
