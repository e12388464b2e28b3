// What a start keeps of the rows on disk, in every dtype: whole rows up to the first that cannot be one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { recoverRows } from "../../../primary/vectorize/recover-rows.js";
import { RowSpaces } from "../../../primary/vectorize/row-spaces.js";
import { sha256Hex } from "../../../shared/format/hash.js";
import { DTYPES } from "../../../shared/format/row-values.js";
import { formatSpace, type Space, spaceName } from "../../../shared/format/space.js";
import { formatRows, rowBytes } from "../../../shared/format/vector-row.js";
import { createLogger } from "../../../shared/log.js";
import { TreeLayout } from "../../../shared/store/layout.js";
import { groupVector, seededRandom, testSpace } from "../../support/build-store.js";
import { withFolder } from "../../support/with-folder.js";

const DIMENSIONS = 384;
const FILE = "00000000000000000000.vec";
const ROWS = 10;
const SEALED = 4;

interface OnDisk {
  tree: TreeLayout;
  space: Space;
  path: string;
  width: number;
  bytes: Buffer;
}

async function withRows(space: Space, body: (disk: OnDisk) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const tree = new TreeLayout(folder);
    await mkdir(tree.space(spaceName(space)), { recursive: true });
    await writeFile(tree.spaceFile(spaceName(space)), formatSpace(space));
    const random = seededRandom(31);
    const rows = Array.from({ length: ROWS }, (_, seq) => ({ seq, vector: groupVector(DIMENSIONS, seq, random) }));
    const bytes = formatRows(rows, space);
    const path = tree.rows(spaceName(space), 0);
    await writeFile(path, bytes);
    await body({ tree, space, path, width: rowBytes(space), bytes });
  });
}

/** Events below `generation` are in one, with their first row. */
function recover({ tree, space }: OnDisk, generation = SEALED) {
  const which = { isOpen: (seq: number) => seq >= generation, isSealed: (seq: number) => seq < generation };
  return recoverRows({ tree, space, sealedRows: new Map([[FILE, SEALED]]), ...which });
}

for (const dtype of DTYPES) {
  const space = testSpace(DIMENSIONS, dtype);

  describe(`${dtype} rows on disk at a start`, () => {
    test("are kept where they are whole, with the hash that the next seal will name", () =>
      withRows(space, async (disk) => {
        const { seqs, runs, last, cutBytes } = await recover(disk);
        assert.deepEqual([seqs, last, cutBytes], [[4, 5, 6, 7, 8, 9], { file: FILE, rows: ROWS }, 0]);
        const [run] = runs;
        assert.equal(run?.hash.digest("hex"), sha256Hex(disk.bytes.subarray(SEALED * disk.width)));
        assert.deepEqual([run?.first, run?.rows], [SEALED, ROWS - SEALED]);
      }));

    test("are cut off from the first on that is torn, or that zeros stand in the place of", () =>
      withRows(space, async (disk) => {
        const { bytes, width, path } = disk;
        const torn = bytes.subarray(0, 7 * width + width / 2);
        const zeros = Buffer.from(bytes).fill(0, 7 * width);
        const halfZeros = Buffer.from(bytes).fill(0, 7 * width + width / 2);
        for (const harmed of [torn, zeros, halfZeros]) {
          await writeFile(path, harmed);
          const { seqs, last, cutBytes } = await recover(disk);
          assert.deepEqual([seqs, last?.rows], [[4, 5, 6], 7]);
          assert.equal(cutBytes, harmed.length - 7 * width);
          assert.deepEqual(await readFile(path), bytes.subarray(0, 7 * width));
        }
      }));

    test("are never cut where a seal covers them, whatever they hold", () =>
      withRows(space, async (disk) => {
        const { bytes, width, path } = disk;
        await writeFile(path, Buffer.from(bytes).fill(0, 0, SEALED * width));
        const { last, cutBytes } = await recover(disk);
        assert.deepEqual([last?.rows, cutBytes], [ROWS, 0]);
        await writeFile(path, bytes.subarray(0, SEALED * width - 1));
        await assert.rejects(recover(disk), { code: "rows-missing" });
        assert.equal((await stat(path)).size, SEALED * width - 1);
      }));

    test("are kept of events that a generation holds already, as a space that is filled gets them; a second row is cut off", () =>
      withRows(space, async (disk) => {
        const { bytes, width, path } = disk;
        assert.deepEqual((await recover(disk, 8)).seqs, [4, 5, 6, 7, 8, 9]);
        // Event 2 has its row among those that the seal covers, event 5 among the others.
        for (const again of [2, 5]) {
          const doubled = Buffer.from(bytes);
          doubled.writeBigUInt64LE(BigInt(again), 7 * width);
          await writeFile(path, doubled);
          const { seqs, last } = await recover(disk, 8);
          assert.deepEqual([seqs, last?.rows], [[4, 5, 6], 7]);
        }
      }));

    test("of a level that is no longer asked for are named by the next seal all the same", () =>
      withRows(space, async ({ tree, bytes, width }) => {
        const spaces = new RowSpaces({ tree, log: createLogger("error", () => true) });
        const sealedRows = new Map([[spaceName(space), new Map([[FILE, SEALED]])]]);
        await spaces.open({ spaces: [], sealedRows, isOpen: (seq) => seq >= SEALED, isSealed: () => false });
        const sha256 = createHash("sha256")
          .update(bytes.subarray(SEALED * width))
          .digest("hex");
        const added = [{ file: FILE, first: SEALED, rows: ROWS - SEALED, sha256 }];
        const definition = sha256Hex(await readFile(tree.spaceFile(spaceName(space))));
        assert.deepEqual(await spaces.take(), [{ space: spaceName(space), definition, added }]);
        await spaces.close();
      }));
  });
}

test("a start on a space that cannot be read is refused, naming its file and the way out", () =>
  withRows(testSpace(DIMENSIONS, "f16"), async ({ tree, space }) => {
    const path = tree.spaceFile(spaceName(space));
    const spaces = new RowSpaces({ tree, log: createLogger("error", () => true) });
    const open = () => spaces.open({ spaces: [], sealedRows: new Map(), isOpen: () => true, isSealed: () => false });
    const harms: [string, RegExp, RegExp][] = [
      [formatSpace({ ...space, format: 3 } as unknown as Space), /format is 3/, /go back to the later version/],
      [formatSpace({ ...space, dtype: "int8" } as Space), /fingerprint is/, /restore it/],
      ["{", /is not JSON/, /restore it/],
    ];
    for (const [text, message, hint] of harms) {
      await writeFile(path, text);
      await assert.rejects(open(), (error: { code: string; message: string; hint: string }) => {
        assert.equal(error.code, "space-unreadable");
        assert.ok(error.message.startsWith(path));
        assert.match(error.message, message);
        assert.match(error.hint, hint);
        return true;
      });
    }
  }));
