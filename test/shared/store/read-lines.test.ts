import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { segmentName } from "../../../shared/format/segment-name.js";
import {
  type LineFault,
  type LinePlace,
  type PlacesWanted,
  readLineBatches,
  type StoredLine,
  scanLinePlaces,
} from "../../../shared/store/read-lines.js";
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

async function placesIn(dir: string, wanted: PlacesWanted, known?: LinePlace, maxLineBytes?: number) {
  const places: [seq: number, file: string, offset: number][] = [];
  for await (const { seq, file, offset } of scanLinePlaces(dir, wanted, known, maxLineBytes))
    places.push([seq, file, offset]);
  return places;
}

test("places are those at which the wanted lines are read, over segments and from any known one", () =>
  withFolder(async (dir) => {
    const SECOND = segmentName(5, "jsonl");
    await writeFile(join(dir, FIRST), "0\n11\n222\n3333\n44444\n");
    await writeFile(join(dir, SECOND), "5\n6\n7\n");
    const wanted = { from: 0, to: 8, every: 2 };
    const all = [
      [0, FIRST, 0],
      [2, FIRST, 5],
      [4, FIRST, 14],
      [6, SECOND, 2],
      [8, SECOND, 6],
    ];
    assert.deepEqual(await placesIn(dir, wanted), all);
    assert.deepEqual(await placesIn(dir, { ...wanted, from: 3, to: 6 }), [[3, FIRST, 9], all[2], all[3]]);
    const known = { seq: 2, file: FIRST, offset: 5 };
    assert.deepEqual(await placesIn(dir, { ...wanted, from: 2 }, known), all.slice(1));
    assert.deepEqual(await placesIn(dir, { from: 5, to: 7, every: 100 }, known), [
      [5, FIRST, 20],
      [7, SECOND, 4],
    ]);
    // The end of a segment stands for the first line of the next.
    const end = { seq: 5, file: FIRST, offset: 20 };
    assert.deepEqual((await readAll(dir, 5, end)).flat().map(textOf), ["5", "6", "7"]);
  }));

test("places end before a torn line, one that is too long, a gap, and where the lines end", () =>
  withFolder(async (dir) => {
    const wanted = { from: 0, to: 100, every: 1 };
    const seqsIn = async (text: string, maxLineBytes?: number) => {
      await writeFile(join(dir, FIRST), text);
      return (await placesIn(dir, wanted, undefined, maxLineBytes)).map(([seq]) => seq);
    };
    assert.deepEqual(await seqsIn("a\nb\n"), [0, 1, 2]);
    assert.deepEqual(await seqsIn("a\nb"), [0, 1]);
    assert.deepEqual(await seqsIn("a\nbbbbb\nc\n", 4), [0, 1]);
    assert.deepEqual(await seqsIn("a\nbbbbb", 4), [0, 1]);
    await writeFile(join(dir, segmentName(3, "jsonl")), "d\n");
    assert.deepEqual(await seqsIn("a\nb\n"), [0, 1, 2]);
    assert.deepEqual(await seqsIn("a\nb\nc\n"), [0, 1, 2, 3, 4]);
  }));

test("a terabyte without a newline is given up where a line would be too long", () =>
  withFolder(async (dir) => {
    await writeFile(join(dir, FIRST), "a\n");
    await truncate(join(dir, FIRST), 2 ** 40);
    assert.deepEqual(await placesIn(dir, { from: 0, to: 2, every: 1 }), [
      [0, FIRST, 0],
      [1, FIRST, 2],
    ]);
  }));
