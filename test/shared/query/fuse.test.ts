import assert from "node:assert/strict";
import { test } from "node:test";
import { fuse, vectorWeight } from "../../../shared/query/fuse.js";

const hits = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ seq: first + i, score: count - i }));

test("an event that only the vectors found never stands above one that the words found", () => {
  for (const depth of [1, 10, 100, 1000]) {
    const fused = fuse(hits(0, depth), hits(10_000, depth), depth);
    const lastText = fused.findLastIndex(({ text }) => text !== undefined);
    const firstVector = fused.findIndex(({ text }) => text === undefined);
    assert.equal(lastText, depth - 1);
    assert.equal(firstVector, depth);
  }
});

test("vectors reorder what the words found", () => {
  const fused = fuse(hits(0, 3), [{ seq: 1, score: 0.9 }], 100);
  assert.deepEqual(
    fused.map(({ seq }) => seq),
    [1, 0, 2],
  );
});

test("each result keeps the rank and the score of both legs", () => {
  const [hit] = fuse([{ seq: 7, score: 3 }], [{ seq: 7, score: 0.5 }], 100);
  assert.deepEqual(hit, {
    seq: 7,
    score: 1 / 61 + vectorWeight(100) / 61,
    text: { rank: 1, score: 3 },
    vector: { rank: 1, score: 0.5 },
  });
});
