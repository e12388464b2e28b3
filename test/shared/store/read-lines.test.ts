import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { segmentName } from "../../../shared/format/segment-name.js";
import { type LineFault, readLineBatches, type StoredLine } from "../../../shared/store/read-lines.js";
import { withFolder } from "../../support/with-folder.js";

const FIRST = segmentName(0, "jsonl");

async function readAll(...of: Parameters<typeof readLineBatches>): Promise<(StoredLine | LineFault)[][]> {
  const batches: (StoredLine | LineFault)[][] = [];
  for await (const batch of readLineBatches(...of)) batches.push(batch);
  return batches;
}

const textOf = (line: StoredLine | LineFault) => ("fault" in line ? line.fault : line.bytes.toString());

test("lines come in order over segments, from where they are asked for, also those longer than one read", () =>
  withFolder(async (dir) => {
    const long = "x".repeat(5 * 1024 * 1024);
    await writeFile(join(dir, FIRST), `a\n${long}\nc\n`);
    await writeFile(join(dir, segmentName(3, "jsonl")), "d\n");
    const lines = (await readAll(dir)).flat();
    assert.deepEqual(lines.map(textOf), ["a", long, "c", "d"]);
    assert.deepEqual(
      lines.map(({ offset, seq }) => [seq, offset]),
      [
        [0, 0],
        [1, 2],
        [2, long.length + 3],
        [3, 0],
      ],
    );
    assert.deepEqual((await readAll(dir, 2)).flat().map(textOf), ["c", "d"]);
    const known = { seq: 2, file: FIRST, offset: long.length + 3 };
    assert.deepEqual((await readAll(dir, 3, known)).flat().map(textOf), ["d"]);
  }));

test("a file of a terabyte without a newline is a fault where its line begins, and fills no memory", () =>
  withFolder(async (dir) => {
    const path = join(dir, FIRST);
    await writeFile(path, "a\n");
    await truncate(path, 2 ** 40);
    const lines = (await readAll(dir)).flat();
    assert.deepEqual(lines.map(textOf), ["a", "long-line"]);
    assert.deepEqual(lines[1], { fault: "long-line", seq: 1, file: FIRST, offset: 2 });
  }));

test("a line may be as long as the limit and no byte longer, whole or torn", () =>
  withFolder(async (dir) => {
    const path = join(dir, FIRST);
    const read = async (text: string) => {
      await writeFile(path, text);
      return (await readAll(dir, 0, undefined, 10)).flat().map(textOf);
    };
    assert.deepEqual(await read("0123456789\nb\n"), ["0123456789", "b"]);
    assert.deepEqual(await read("0123456789a\nb\n"), ["long-line"]);
    assert.deepEqual(await read("a\n0123456789"), ["a", "torn-line"]);
    assert.deepEqual(await read("a\n0123456789a"), ["a", "long-line"]);
  }));

test("a batch stays small however short its lines are", () =>
  withFolder(async (dir) => {
    await writeFile(join(dir, FIRST), "\n".repeat(100_000));
    const batches = await readAll(dir);
    assert.equal(batches.flat().length, 100_000);
    assert.ok(batches.every(({ length }) => length <= 16_384));
  }));

test("a segment that begins behind the line that is due is a gap, also the first one", () =>
  withFolder(async (dir) => {
    await writeFile(join(dir, segmentName(5, "jsonl")), "a\nb\n");
    assert.deepEqual(await readAll(dir), [[{ fault: "gap", seq: 0, file: segmentName(5, "jsonl"), offset: 0 }]]);
    await writeFile(join(dir, FIRST), "0\n1\n");
    assert.deepEqual((await readAll(dir)).flat().map(textOf), ["0", "1", "gap"]);
  }));
