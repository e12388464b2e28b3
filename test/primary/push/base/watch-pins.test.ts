// The watch on a real volume: what it measures is what btrfs gives, and links stand in with nothing but their pins.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PinBounds } from "../../../../primary/push/base/bound-pins.js";
import { LinkPins } from "../../../../primary/push/base/link-pins.js";
import { measurePinned } from "../../../../primary/push/base/measure-pinned.js";
import { type PinningLink, PinWatch, type PinWatchOptions } from "../../../../primary/push/base/watch-pins.js";
import { createLogger } from "../../../../shared/log.js";
import { createSubvolume, freeSpace, snapshotReadOnly, syncFilesystem } from "../../../../shared/store/btrfs.js";
import { StoreLayout, SUBVOLUMES } from "../../../../shared/store/layout.js";
import { ROOT, requirePart } from "../../../support/require-part.js";
import { makeVolume } from "../../../support/with-volume.js";

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;
const LOOSE: PinBounds = { maxAgeMs: HOUR_MS, maxBytes: undefined, maxSharePercent: 50, minFreeBytes: 0 };

/** A link as the watch knows it. */
class Pinning implements PinningLink {
  readonly pins = new LinkPins();
  noted = 0;
  readonly name: string;
  constructor(name: string, base: number) {
    this.name = name;
    this.pins.replace([base]);
  }
  letBaseGo(reason: string): void {
    this.pins.letGo(reason, 0);
  }
  async notePins(): Promise<void> {
    this.noted += 1;
  }
}

describe("the watch on bases", () => {
  let volume: Awaited<ReturnType<typeof makeVolume>> | undefined;
  let store: StoreLayout;
  before(async () => {
    if (!(await ROOT.isThere())) return;
    volume = await makeVolume();
    store = new StoreLayout(join(volume.root, "store"));
    for (const dir of [store.live.dir, store.generations]) await mkdir(dir, { recursive: true });
    for (const name of SUBVOLUMES) await createSubvolume(store.live.subvolume(name));
    await mkdir(store.live.entries);
    await writeFile(store.live.entriesSegment(0), randomBytes(20 * MIB));
    // Replaced by each generation: the only bytes that an older one holds alone.
    for (const n of [1, 2, 3]) {
      await writeFile(store.live.checkpoint, randomBytes(n * MIB));
      await appendFile(store.live.entriesSegment(0), randomBytes(100));
      await mkdir(store.generation(n).dir);
      for (const name of SUBVOLUMES)
        await snapshotReadOnly(store.live.subvolume(name), store.generation(n).subvolume(name));
    }
    await syncFilesystem(volume.root);
  });
  after(() => volume?.remove());

  function watch(
    links: readonly PinningLink[],
    bounds: Partial<PinBounds>,
    more: Partial<PinWatchOptions> = {},
  ): PinWatch {
    return new PinWatch({
      links,
      newest: () => 3,
      isKept: () => false,
      tree: (generation) => store.generation(generation),
      volume: volume?.root ?? "",
      bounds: { ...LOOSE, ...bounds },
      measureAfterMs: 0,
      log: createLogger("error"),
      ...more,
    });
  }

  test("a generation is measured by what the newest does not share with it", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const { signal } = new AbortController();
    const measured = await Promise.all(
      [1, 2, 3].map((n) => measurePinned(store.generation(n), store.generation(3), signal)),
    );
    // The 20 MiB are shared; of a file that grew only its last block is not.
    for (const [i, mib] of [1, 2].entries()) {
      const bytes = measured[i] as number;
      assert.ok(bytes >= mib * MIB && bytes < mib * MIB + 64 * 1024, `${bytes}`);
    }
    assert.equal(measured[2], 0);
  });

  test("the longest out of date goes when bytes are bounded, and the newest never", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const links = [new Pinning("one", 1), new Pinning("two", 2), new Pinning("three", 3)];
    const watching = watch(links, { maxBytes: 2.5 * MIB });
    await watching.check(1000);
    assert.deepEqual(
      links.map(({ pins }) => pins.lost?.generation),
      [1, undefined, undefined],
    );
    assert.match(links[0]?.pins.lost?.reason ?? "", /hold 3MiB, more than push\.pins\.max_bytes/);
  });

  test("age counts from the look that found a newer generation, and is noted for a restart", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const link = new Pinning("one", 1);
    const watching = watch([link], {});
    await watching.check(1000);
    await watching.check(1000 + HOUR_MS);
    assert.deepEqual([link.pins.lost, link.noted], [undefined, 2]);
    await watching.check(1001 + HOUR_MS);
    assert.match(link.pins.lost?.reason ?? "", /out of date for 60 minutes/);
  });

  test("a base that is kept anyway, and one of a push under way, stay whatever the bounds", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const [kept, pushing] = [new Pinning("kept", 1), new Pinning("pushing", 2)];
    const ends = pushing.pins.pushBegins(3);
    const watching = watch([kept, pushing], { maxAgeMs: 1, maxBytes: 1 }, { isKept: (n) => n === 1 });
    await watching.check(1000);
    await watching.check(HOUR_MS);
    assert.deepEqual([kept.pins.lost, pushing.pins.lost], [undefined, undefined]);
    ends();
    await watching.check(HOUR_MS + 1);
    assert.equal(pushing.pins.lost?.generation, 2);
  });

  test("bounds are kept though no note of a base can be written, as on a volume that is full", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const links = [new Pinning("one", 1), new Pinning("two", 2)];
    const notePins = () => Promise.reject(new Error("no space left on device"));
    for (const link of links) Object.assign(link, { notePins });
    const watching = watch(links, { maxAgeMs: 1 });
    await watching.check(1000);
    await watching.check(HOUR_MS);
    assert.deepEqual(
      links.map(({ pins }) => pins.lost?.generation),
      [1, 2],
    );
  });

  test("a disk that runs full: one at a time, with time to see what it gave", async (t) => {
    if (!(await requirePart(t, ROOT))) return;
    const links = [new Pinning("two", 2), new Pinning("one", 1)];
    const { freeBytes } = await freeSpace(volume?.root ?? "");
    const watching = watch(links, { minFreeBytes: freeBytes + MIB / 2 });
    const lost = () => links.map(({ pins }) => pins.lost?.generation);
    await watching.check(1000);
    assert.deepEqual(lost(), [undefined, 1]);
    await watching.check(3000);
    assert.deepEqual(lost(), [undefined, 1]);
    await watching.check(60_000);
    assert.deepEqual(lost(), [2, 1]);
  });
});
