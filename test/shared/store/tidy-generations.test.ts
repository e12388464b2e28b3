// Deletion on a real volume: what goes, what stays, and a `btrfs send` that nobody reads in the way.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { formatEntry } from "../../../shared/format/entry.js";
import { GENESIS_HASH } from "../../../shared/format/hash.js";
import { formatTimestamp } from "../../../shared/format/timestamp.js";
import { createLogger, type Logger } from "../../../shared/log.js";
import {
  createSubvolume,
  deleteSubvolume,
  requireSuccess,
  snapshotReadOnly,
  spawnSend,
} from "../../../shared/store/btrfs.js";
import { deletePair, listGenerations, sweepStore } from "../../../shared/store/generations.js";
import { StoreLayout as Store, type StoreLayout, SUBVOLUMES } from "../../../shared/store/layout.js";
import { GenerationTidier, type TidierOptions } from "../../../shared/store/tidy-generations.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { until } from "../../support/until.js";
import { makeVolume } from "../../support/with-volume.js";

const HOUR_MS = 3_600_000;

describe("tidying generations", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>> | undefined;
  let stores = 0;
  before(async () => {
    if (ROOT.isThere()) volume = await makeVolume();
  });
  after(() => volume?.remove());

  /** A store of `count` generations, sealed an hour apart. */
  async function makeStore(count: number): Promise<StoreLayout> {
    stores += 1;
    const store = new Store(join(volume?.root ?? "", `store-${stores}`));
    for (const dir of [store.live.dir, store.generations]) await mkdir(dir, { recursive: true });
    for (const name of SUBVOLUMES) await createSubvolume(store.live.subvolume(name));
    await mkdir(store.live.entries);
    // Larger than the pipe of a send, which then waits in the kernel for its reader.
    await writeFile(join(store.live.timing, "bulk"), randomBytes(4 * 1024 * 1024));
    for (let n = 1; n <= count; n += 1) {
      await writeFile(store.live.entriesSegment(0), `${sealEntry(Date.UTC(2026, 10, 20) + n * HOUR_MS)}\n`);
      const tree = store.generation(n);
      await mkdir(tree.dir);
      for (const name of SUBVOLUMES) await snapshotReadOnly(store.live.subvolume(name), tree.subvolume(name));
    }
    return store;
  }

  async function withTidier(
    options: Pick<TidierOptions, "store"> & Partial<TidierOptions>,
    body: (tidier: GenerationTidier) => Promise<void>,
  ): Promise<void> {
    const tidier = new GenerationTidier({ isNeeded: () => false, log: createLogger("error"), ...options });
    try {
      await body(tidier);
    } finally {
      await tidier.stop();
    }
  }

  test("only the newest stays by default, and what is needed", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(5);
    const deleted: number[] = [];
    const isNeeded = (n: number) => n === 2;
    await withTidier({ store, isNeeded, onDelete: (n) => deleted.push(n) }, async (tidier) => {
      await tidier.tidy();
      assert.deepEqual(await listGenerations(store), [2, 5]);
      assert.deepEqual(deleted, [1, 3, 4]);
      assert.deepEqual(
        tidier.kept.map(({ generation }) => generation),
        [5],
      );
    });
    assert.deepEqual((await readdir(store.generations)).sort(), ["2", "5"]);
  });

  test("a rule keeps history, dated by the seals, and a smaller one lets the surplus go", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(5);
    await withTidier({ store, keep: { last: 1, hourly: 3, daily: 0, weekly: 0 } }, async (tidier) => {
      await tidier.tidy();
      assert.deepEqual(await listGenerations(store), [3, 4, 5]);
      const midnight = Date.UTC(2026, 10, 20);
      assert.deepEqual(
        tidier.kept,
        [3, 4, 5].map((generation) => ({ generation, sealedMs: midnight + generation * HOUR_MS })),
      );
    });
    await withTidier({ store, keep: { last: 2, hourly: 0, daily: 0, weekly: 0 } }, (tidier) => tidier.tidy());
    assert.deepEqual(await listGenerations(store), [4, 5]);
  });

  test("one that has come since the last look is kept until the next, which goes by the rule", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(4);
    const isNeeded = (n: number) => n === 1;
    await withTidier({ store, isNeeded, keep: { last: 2, hourly: 0, daily: 0, weekly: 0 } }, async (tidier) => {
      const kept = () => [1, 2, 3, 4, 5].filter((generation) => tidier.keeps(generation));
      assert.deepEqual(kept(), [1, 2, 3, 4, 5]);
      await tidier.tidy();
      assert.deepEqual(kept(), [3, 4, 5]);
    });
  });

  test("one that a send holds keeps none of the others, is told once, and goes by itself when the send ends", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(5);
    const send = spawnSend({ path: store.generation(2).timing });
    await once(send.stdout, "readable");
    const { log, records } = recorder();
    await withTidier({ store, retryFirstMs: 20, log }, async (tidier) => {
      await tidier.tidy();
      // Its vector is gone; the half that a send reads is all that is left of it.
      assert.deepEqual((await readdir(store.generations)).sort(), ["2", "5"]);
      assert.deepEqual(await readdir(store.generation(2).dir), ["timing"]);
      // Several tries in vain, and no word of them.
      await tidier.tidy();
      await sleep(25);
      await tidier.tidy();
      assert.deepEqual(records, ["warn a generation cannot be deleted yet: busy"]);
      send.stdout.resume();
      requireSuccess(await send, "the generation");
      for (let tries = 0; tries < 600 && (await readdir(store.generations)).length > 1; tries += 1) await sleep(50);
      assert.deepEqual(await readdir(store.generations), ["5"]);
      await until(() => records.length > 1);
      assert.deepEqual(records.slice(1), ["info a generation that could not go is deleted"]);
    });
  });

  test("one that somebody else deleted meanwhile is not looked for again and again", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(3);
    const send = spawnSend({ path: store.generation(1).timing });
    await once(send.stdout, "readable");
    let looks = 0;
    const isNeeded = (n: number) => {
      looks += 1;
      return n === 2;
    };
    await withTidier({ store, isNeeded, retryFirstMs: 20, log: recorder().log }, async (tidier) => {
      await tidier.tidy();
      send.stdout.resume();
      requireSuccess(await send, "the generation");
      await deletePair(store.generation(1).dir);
      looks = 0;
      await sleep(500);
      assert.ok(looks <= 5, `${looks} looks`);
    });
  });

  test("goes on with a clock that was set back while something came all the time", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(3);
    const now = Date.now;
    await withTidier({ store }, async (tidier) => {
      tidier.notice();
      Date.now = () => now() - HOUR_MS;
      try {
        for (let n = 0; n < 40 && (await listGenerations(store)).length > 1; n += 1) {
          tidier.notice();
          await sleep(500);
        }
      } finally {
        Date.now = now;
      }
      assert.deepEqual(await listGenerations(store), [3]);
    });
  });

  test("half of a deletion that a send holds keeps no daemon from its start", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(3);
    await deleteSubvolume(store.generation(1).vector);
    const send = spawnSend({ path: store.generation(1).timing });
    await once(send.stdout, "readable");
    assert.deepEqual(await sweepStore(store), []);
    assert.deepEqual(await listGenerations(store), [2, 3]);
    send.stdout.resume();
    requireSuccess(await send, "the generation");
    // No number of a generation, though it reads as one.
    await mkdir(join(store.generations, "03"));
    assert.deepEqual((await sweepStore(store)).sort(), ["generations/03", "generations/1"]);
  });

  test("half of a deletion is ended; half of a seal above the newest is left alone", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const store = await makeStore(3);
    await deleteSubvolume(store.generation(1).vector);
    await mkdir(store.generation(4).dir);
    await snapshotReadOnly(store.live.timing, store.generation(4).timing);
    await withTidier({ store, isNeeded: (n) => n === 2 }, (tidier) => tidier.tidy());
    assert.deepEqual((await readdir(store.generations)).sort(), ["2", "3", "4"]);
    assert.deepEqual(await readdir(store.generation(4).dir), ["timing"]);
  });
});

function sealEntry(atMs: number): string {
  const time = formatTimestamp(atMs * 1000);
  const named = { action: "sealed", actor: "test", element_id: "store:test", element_type: "Store", source: "seal" };
  const placed = { height: 0, payload_hash: GENESIS_HASH, previous_event_hash: GENESIS_HASH, seq: 0 };
  return formatEntry({ ...named, ...placed, priority: "low", recorded: time, timestamp: time });
}

/** A logger that keeps level, message and the error's code of each record. */
function recorder(): { log: Logger; records: string[] } {
  const records: string[] = [];
  const record = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    const { code } = (fields?.error ?? {}) as { code?: string };
    records.push(`${level} ${message}${code === undefined ? "" : `: ${code}`}`);
  };
  const log = { debug: record("debug"), info: record("info"), warn: record("warn"), error: record("error") };
  return { log, records };
}
