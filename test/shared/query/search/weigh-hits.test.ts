import assert from "node:assert/strict";
import { test } from "node:test";
import { type Found, weighHits } from "../../../../shared/query/search/weigh-hits.js";

const found = (seq: number, cosine: number | undefined, bm25 = 0, named = 0): Found => {
  return { seq, bm25, named, ...(cosine === undefined ? {} : { cosine }) };
};
const order = (hits: Found[], perfectBm25 = 1) => weighHits(hits, perfectBm25).map(({ seq }) => seq);

test("words put events in order that the vectors cannot tell apart", () => {
  assert.deepEqual(order([found(1, 0.6, 1), found(2, 0.6, 9), found(3, 0.6, 4)]), [2, 3, 1]);
});

test("words never outweigh a difference in meaning", () => {
  assert.deepEqual(order([found(1, 0.45, 100), found(2, 0.5), found(3, 0.6)]), [3, 2, 1]);
});

test("events that hold the question's name stand first, the nearest of them foremost", () => {
  const hits = [found(1, 0.9), found(2, 0.1, 0, 1), found(3, 0.5, 0, 1), found(4, 0.8, 0, 0.5)];
  assert.deepEqual(order(hits), [3, 4, 2, 1]);
});

test("an event without a vector stands as high as its words cover the question", () => {
  const hits = [found(1, 0.6), found(2, undefined, 9), found(3, undefined, 5), found(4, 0.4)];
  assert.deepEqual(order(hits, 10), [1, 2, 4, 3]);
});

test("of equals the later event comes first", () => {
  assert.deepEqual(order([found(1, 0.5), found(7, 0.5), found(3, 0.5)]), [7, 3, 1]);
});

test("a score is the sum of its parts", () => {
  for (const { score, parts } of weighHits([found(1, 0.5, 3, 1), found(2, undefined, 2), found(3, -0.1)], 4)) {
    assert.equal(score, parts.vector + parts.words + parts.names);
  }
});
