// The rows of all spaces, on a plain folder and on a full disk: what a seal takes, and what waits for the next.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { execa } from "execa";
import { RowSpaces } from "../../../primary/vectorize/row-spaces.js";
import { embedHeuristic, heuristicSpace } from "../../../shared/embed/heuristic.js";
import { NO_ACTIONS } from "../../../shared/embed/recent-actions.js";
import { sha256Hex } from "../../../shared/format/hash.js";
import type { SealedSpace } from "../../../shared/format/seal.js";
import { spaceName } from "../../../shared/format/space.js";
import { formatRows, rowBytes } from "../../../shared/format/vector-row.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { ROOT, requirePart } from "../../support/require-part.js";
import { withFolder } from "../../support/with-folder.js";
import { unmount } from "../../support/with-volume.js";

const NAME = spaceName(heuristicSpace);
const WIDTH = rowBytes(heuristicSpace);
const PAGE_BYTES = 4096;
const log = { debug() {}, info() {}, warn() {}, error() {} };

function rowOf(seq: number): Uint8Array {
  const entry = { action: "modified", element_id: `interface:eth${seq}`, element_type: "NetworkInterface" };
  const vector = embedHeuristic(
    { ...entry, timestamp: "2026-11-20T10:05:00.123456Z" },
    { mtu: 1500 + seq },
    NO_ACTIONS,
  );
  return formatRows([{ seq, vector }], heuristicSpace);
}

async function withSpaces(body: (spaces: RowSpaces, tree: TreeLayout) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const tree = new TreeLayout(join(folder, "live"));
    await mkdir(tree.vector, { recursive: true });
    const spaces = new RowSpaces({ tree, log });
    await spaces.open({ spaces: [heuristicSpace], sealedRows: new Map(), isOpen: () => true, isSealed: () => false });
    await body(spaces, tree).finally(() => spaces.close());
  });
}

describe("the rows of all spaces", () => {
  test("are not written between the taking for a seal and the end of it, so that a generation holds no row that its seal does not name", () =>
    withSpaces(async (spaces) => {
      const append = (seq: number) =>
        spaces.append({ space: heuristicSpace, firstSeq: seq, count: 1, bytes: rowOf(seq) });
      await append(0);
      let stand = () => {};
      const stands = new Promise<void>((resolve) => {
        stand = resolve;
      });
      const rowsOf = (taken: Awaited<ReturnType<RowSpaces["take"]>>) => taken[0]?.added[0]?.rows;
      assert.equal(rowsOf(await spaces.take(stands)), 1);
      const written = append(1);
      // Takes its turn in the files behind whatever was let through before it.
      assert.equal(rowsOf(await spaces.take()), undefined);
      stand();
      await written;
      assert.equal(rowsOf(await spaces.take()), 1);
    }));
});

function rowsOf(firstSeq: number, count: number) {
  const bytes = Buffer.concat(Array.from({ length: count }, (_, i) => rowOf(firstSeq + i)));
  return { space: heuristicSpace, firstSeq, count, bytes };
}

interface SmallDisk {
  tree: TreeLayout;
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
}

async function withSmallDisk(t: TestContext, body: (disk: SmallDisk) => Promise<void>): Promise<void> {
  if (!(await requirePart(t, ROOT))) return;
  await withFolder(async (folder) => {
    await execa("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]);
    try {
      const tree = new TreeLayout(join(folder, "live"));
      const filler = join(folder, "filler");
      await mkdir(tree.vector, { recursive: true });
      const fill = () => assert.rejects(writeFile(filler, Buffer.alloc(512 * 1024)), { code: "ENOSPC" });
      await body({ tree, fill, makeRoom: () => rm(filler) });
    } finally {
      await unmount(folder);
    }
  });
}

async function openSpaces(tree: TreeLayout, options: { segmentBytes?: number; spaces?: [] } = {}): Promise<RowSpaces> {
  const { segmentBytes, spaces = [heuristicSpace] } = options;
  const opened = new RowSpaces({ tree, log, segmentBytes });
  await opened.open({ spaces, sealedRows: new Map(), isOpen: () => true, isSealed: () => false });
  return opened;
}

/** Files are what the seals name, run by run, to the last byte. */
async function assertNamed(tree: TreeLayout, ...seals: SealedSpace[][]): Promise<void> {
  const runs = seals.flat().flatMap(({ added }) => added);
  for (const file of (await readdir(tree.space(NAME))).filter((name) => name.endsWith(".vec"))) {
    const bytes = await readFile(join(tree.space(NAME), file));
    let end = 0;
    for (const run of runs.filter((one) => one.file === file)) {
      assert.equal(run.first * WIDTH, end);
      end += run.rows * WIDTH;
      assert.equal(sha256Hex(bytes.subarray(end - run.rows * WIDTH, end)), run.sha256);
    }
    assert.equal(bytes.length, end, `${file} has what no seal names`);
  }
}

const MANY = Math.ceil((3 * PAGE_BYTES) / WIDTH);

describe("on a full disk", () => {
  test("rows of which a part was written are in no seal and in no file, nor with room again or after a start", (t) =>
    withSmallDisk(t, async ({ tree, fill, makeRoom }) => {
      const spaces = await openSpaces(tree);
      await spaces.append(rowsOf(0, 1));
      await fill();
      await assert.rejects(spaces.append(rowsOf(1, MANY)), { code: "write-failed" });
      assert.equal((await readFile(tree.rows(NAME, 0))).length, WIDTH);
      const full = await spaces.take();
      await assertNamed(tree, full);
      await makeRoom();
      await spaces.append(rowsOf(1, MANY));
      const roomy = await spaces.take();
      await assertNamed(tree, full, roomy);
      await spaces.close();
      const again = await openSpaces(tree);
      const all = await again.take();
      assert.equal(all[0]?.added[0]?.rows, 1 + MANY);
      await assertNamed(tree, all);
      await again.close();
    }));

  test("a seal takes nothing while such a part cannot be cut off, and the next one takes all", (t) =>
    withSmallDisk(t, async ({ tree, fill, makeRoom }) => {
      const spaces = await openSpaces(tree);
      await spaces.append(rowsOf(0, 1));
      await fill();
      // Append only: it can't be cut.
      await execa("chattr", ["+a", tree.rows(NAME, 0)]);
      await assert.rejects(spaces.append(rowsOf(1, MANY)), { code: "write-failed" });
      await assert.rejects(spaces.take(), { code: "write-failed" });
      await execa("chattr", ["-a", tree.rows(NAME, 0)]);
      const taken = await spaces.take();
      assert.equal(taken[0]?.added[0]?.rows, 1);
      await assertNamed(tree, taken);
      await makeRoom();
      await spaces.close();
    }));

  test("such a part is cut off before another file is begun", (t) =>
    withSmallDisk(t, async ({ tree, fill, makeRoom }) => {
      const spaces = await openSpaces(tree, { segmentBytes: (1 + MANY) * WIDTH });
      await spaces.append(rowsOf(0, 1));
      await fill();
      await execa("chattr", ["+a", tree.rows(NAME, 0)]);
      await assert.rejects(spaces.append(rowsOf(1, MANY)), { code: "write-failed" });
      await execa("chattr", ["-a", tree.rows(NAME, 0)]);
      await makeRoom();
      await spaces.append(rowsOf(1, MANY + 1));
      const taken = await spaces.take();
      assert.equal(taken[0]?.added.length, 2);
      await assertNamed(tree, taken);
      await spaces.close();
    }));

  test("a space that cannot be made leaves nothing, and is made once there is room", (t) =>
    withSmallDisk(t, async ({ tree, fill, makeRoom }) => {
      const spaces = await openSpaces(tree, { spaces: [] });
      await fill();
      await assert.rejects(spaces.append(rowsOf(0, 1)), { code: "ENOSPC" });
      assert.deepEqual(await readdir(tree.vector), []);
      await makeRoom();
      await spaces.append(rowsOf(0, 1));
      await assertNamed(tree, await spaces.take());
      assert.deepEqual((await readdir(tree.space(NAME))).sort(), ["00000000000000000000.vec", "space.json"]);
      await spaces.close();
    }));
});

test("spaces that a stop left half made go at the next start; rows never do", () =>
  withSpaces(async (_, tree) => {
    await mkdir(tree.space("empty-000000000000"));
    await mkdir(tree.space("begun-000000000000"));
    await writeFile(`${tree.spaceFile("begun-000000000000")}.new`, "{");
    await mkdir(tree.space("rows-000000000000"));
    await writeFile(tree.rows("rows-000000000000", 0), rowOf(0));
    await (await openSpaces(tree, { spaces: [] })).close();
    assert.deepEqual((await readdir(tree.vector)).sort(), [NAME, "rows-000000000000"].sort());
    assert.deepEqual(await readdir(tree.space("rows-000000000000")), ["00000000000000000000.vec"]);
  }));
