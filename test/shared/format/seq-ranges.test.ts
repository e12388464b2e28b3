import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countSeqs,
  hasSeq,
  isSeqRanges,
  rangesOf,
  type SeqRange,
  withoutSeqs,
} from "../../../shared/format/seq-ranges.js";
import { seededRandom } from "../../support/build-store.js";

test("a set of numbers has one form: rising ranges that do not touch", () => {
  for (const good of [
    [],
    [[0, 0]],
    [[3, 7]],
    [
      [3, 7],
      [9, 9],
    ],
    [[0, Number.MAX_SAFE_INTEGER]],
  ]) {
    assert.equal(isSeqRanges(good), true, JSON.stringify(good));
  }
  const bad = [null, {}, 3, [3], [[3]], [[3, 4, 5]], [[7, 3]], [[-1, 2]], [[0.5, 2]], [["0", 2]], [[0, 2 ** 53]]];
  for (const value of [
    ...bad,
    [
      [3, 7],
      [8, 9],
    ],
    [
      [3, 7],
      [7, 9],
    ],
    [
      [9, 9],
      [3, 7],
    ],
  ]) {
    assert.equal(isSeqRanges(value as never), false, JSON.stringify(value));
  }
});

test("ranges count, find and take away what sets of the same numbers would", () => {
  const random = seededRandom(11);
  const some = (share: number) => Array.from({ length: 60 }, (_, i) => i).filter(() => random() < share);
  for (let round = 0; round < 400; round += 1) {
    const [a, b] = [some(random()), some(random())];
    const from: SeqRange[] = rangesOf(a);
    assert.equal(isSeqRanges(from as never), true);
    assert.equal(countSeqs(from), a.length);
    const inside = new Set(a);
    for (let seq = 0; seq < 61; seq += 1) assert.equal(hasSeq(from, seq), inside.has(seq));
    const left = a.filter((seq) => !b.includes(seq));
    assert.deepEqual(withoutSeqs(from, rangesOf(b)), rangesOf(left));
  }
});
