// The cache of embedded texts: what was put there comes back, to every process, and no trouble with its file ever throws.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { open, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { TextCache } from "../../../shared/embed/text-cache.js";
import { fillVolume, makeRoom } from "../../support/fill-volume.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";
import { withVolume } from "../../support/with-volume.js";
import { vectorOf } from "./share-text-cache.js";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const SPACE = "a".repeat(64);
const OTHER_SPACE = "b".repeat(64);
const SHARER = fileURLToPath(new URL("./share-text-cache.js", import.meta.url));

function put(cache: TextCache, texts: readonly string[]): void {
  cache.put(SPACE, texts, texts.map(vectorOf));
}

function numbered(count: number, what = "text"): string[] {
  return Array.from({ length: count }, (_, i) => `${what} ${i}`);
}

function knows(cache: TextCache, text: string): boolean {
  return cache.get(SPACE, [text])[0] !== undefined;
}

test("vectors come back in the order of the texts, by space, also after a restart", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const first = TextCache.open(path, { maxBytes: MIB });
    put(first, ["a b", "c"]);
    first.close();
    const second = TextCache.open(path, { maxBytes: MIB });
    assert.deepEqual(second.get(SPACE, ["c", "unknown", "a b"]), [vectorOf("c"), undefined, vectorOf("a b")]);
    assert.deepEqual(second.get(OTHER_SPACE, ["c"]), [undefined]);
    second.close();
  });
});

test("a vector that was cut from a batch is kept as it is", async () => {
  await withFolder(async (folder) => {
    const cache = TextCache.open(join(folder, "texts.db"), { maxBytes: MIB });
    const batch = Float32Array.of(1, 2, 3, 4, 5, 6);
    cache.put(SPACE, ["x", "y"], [batch.subarray(0, 3), batch.subarray(3)]);
    batch.fill(0);
    assert.deepEqual(cache.get(SPACE, ["y", "x"]), [Float32Array.of(4, 5, 6), Float32Array.of(1, 2, 3)]);
    cache.close();
  });
});

test("the file is bounded, and what was used last stays", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    let nowMs = 0;
    const cache = TextCache.open(path, { maxBytes: 2 * MIB, maxMemoryBytes: 0, now: () => nowMs });
    put(cache, numbered(200, "old"));
    put(cache, ["in use"]);
    for (let round = 0; round < 40; round += 1) {
      nowMs += HOUR_MS;
      assert.ok(knows(cache, "in use"), `round ${round}`);
      put(cache, numbered(100, `round ${round}`));
    }
    cache.close();
    assert.ok((await stat(path)).size <= 2 * MIB + 100 * 4096, `${(await stat(path)).size} bytes`);
    const again = TextCache.open(path, { maxBytes: 2 * MIB });
    assert.deepEqual(
      [knows(again, "old 7"), knows(again, "round 3 5"), knows(again, "round 39 5")],
      [false, false, true],
    );
    again.close();
  });
});

test("what is served from memory counts as used in the file too", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    let nowMs = 0;
    const cache = TextCache.open(path, { maxBytes: 2 * MIB, now: () => nowMs });
    put(cache, ["in use"]);
    for (let round = 0; round < 40; round += 1) {
      nowMs += HOUR_MS;
      assert.ok(knows(cache, "in use"));
      put(cache, numbered(100, `round ${round}`));
    }
    cache.close();
    const again = TextCache.open(path, { maxBytes: 2 * MIB });
    assert.ok(knows(again, "in use"));
    again.close();
  });
});

test("processes that open a new file at once share it, and none finds a wrong vector", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const names = ["one", "two", "three", "four"];
    const answers = names.map(async (name) => {
      const child = fork(SHARER, [path, name, "150"], { serialization: "advanced" });
      const [answer] = (await once(child, "message")) as [{ found: number; wrong: number }];
      await once(child, "exit");
      return answer;
    });
    assert.deepEqual(await Promise.all(answers), Array(4).fill({ found: 150, wrong: 0 }));
    const cache = TextCache.open(path, { maxBytes: MIB });
    for (const name of names) assert.deepEqual(cache.get(SPACE, [`${name} says 149`]), [vectorOf(`${name} says 149`)]);
    cache.close();
  });
});

test("a file that is none is made anew", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    await writeFile(path, "no database ".repeat(10_000));
    const cache = TextCache.open(path, {
      maxBytes: MIB,
      maxMemoryBytes: 0,
      onLeftOut: (error) => assert.fail(String(error)),
    });
    assert.ok(!knows(cache, "a"));
    put(cache, ["a"]);
    assert.ok(knows(cache, "a"));
    cache.close();
  });
});

test("a damaged file never gives a wrong vector; it is told once and made anew", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const texts = numbered(300);
    const before = TextCache.open(path, { maxBytes: 4 * MIB });
    put(before, texts);
    before.close();
    await overwrite(path, 4096);
    let nowMs = 0;
    const told: unknown[] = [];
    const onLeftOut = (error: unknown) => told.push(error);
    const cache = TextCache.open(path, { maxBytes: 4 * MIB, maxMemoryBytes: 0, onLeftOut, now: () => nowMs });
    for (const text of texts) {
      const [vector] = cache.get(SPACE, [text]);
      if (vector) assert.deepEqual(vector, vectorOf(text));
    }
    put(cache, texts);
    assert.equal(told.length, 1);
    nowMs += 60_000;
    put(cache, texts);
    assert.deepEqual(cache.get(SPACE, texts), texts.map(vectorOf));
    cache.close();
  });
});

test("a vector whose bytes changed on the disk is unknown", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const before = TextCache.open(path, { maxBytes: MIB });
    put(before, ["a"]);
    before.close();
    const file = await open(path, "r+");
    const bytes = await file.readFile();
    const at = bytes.indexOf(Buffer.from(vectorOf("a").buffer).subarray(0, 64));
    assert.ok(at > 0);
    await file.write(Buffer.of((bytes[at + 20] as number) ^ 1), 0, 1, at + 20);
    await file.close();
    const cache = TextCache.open(path, { maxBytes: MIB });
    assert.ok(!knows(cache, "a"));
    put(cache, ["a"]);
    cache.close();
    const again = TextCache.open(path, { maxBytes: MIB });
    assert.deepEqual(again.get(SPACE, ["a"]), [vectorOf("a")]);
    again.close();
  });
});

test("a file that another process made anew is taken up, and its own vectors are found again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "texts.db");
    const cache = TextCache.open(path, { maxBytes: MIB, maxMemoryBytes: 0 });
    put(cache, ["a"]);
    for (const suffix of ["", "-wal", "-shm"]) await rename(path + suffix, `${path}.gone${suffix}`);
    const other = TextCache.open(path, { maxBytes: MIB });
    put(other, ["b"]);
    for (const text of ["c", "d"]) put(cache, [text]);
    assert.ok(knows(cache, "b"));
    cache.close();
    other.close();
  });
});

test("on a full disk what is known is still answered, which is told once, and with room it goes on", async (t) => {
  if (!(await requirePart(t, ROOT))) return;
  await withVolume(async (root) => {
    let nowMs = 0;
    const told: unknown[] = [];
    const onLeftOut = (error: unknown) => told.push(error);
    const options = { maxBytes: 64 * MIB, maxMemoryBytes: 0, onLeftOut, now: () => nowMs };
    const cache = TextCache.open(join(root, "texts.db"), options);
    put(cache, ["known"]);
    await fillVolume(join(root, "filling"));
    for (let i = 0; i < 40 && told.length === 0; i += 1) put(cache, numbered(200, `round ${i}`));
    assert.equal(told.length, 1);
    for (let i = 0; i < 3; i += 1) {
      put(cache, numbered(200, "more"));
      nowMs += 60_000;
    }
    assert.equal(told.length, 1);
    assert.deepEqual(cache.get(SPACE, ["known"]), [vectorOf("known")]);
    await makeRoom(join(root, "filling"));
    nowMs += 60_000;
    put(cache, ["later"]);
    assert.ok(knows(cache, "later"));
    cache.close();
  }, 256 * MIB);
});

test("without a folder for the file the layer in memory serves alone", () => {
  const told: unknown[] = [];
  const onLeftOut = (error: unknown) => told.push(error);
  const cache = TextCache.open("/nonexistent/texts.db", { maxBytes: MIB, onLeftOut });
  put(cache, ["a"]);
  assert.ok(knows(cache, "a"));
  assert.ok(!knows(cache, "b"));
  assert.equal(told.length, 1);
  cache.close();
});

/** Everything behind the first bytes, so that the file's head is still one of SQLite. */
async function overwrite(path: string, from: number): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, "r+");
  await file.write(Buffer.alloc(size - from, 0xa5), 0, size - from, from);
  await file.close();
}
