import assert from "node:assert/strict";
import { test } from "node:test";
import { planBatches } from "../../../../shared/embed/onnx/plan-batches.js";

const WIDE = { mostTexts: 100, mostTokens: 100_000 };

test("texts of one length go together, in the order they came", () => {
  assert.deepEqual(planBatches([7, 7, 7], WIDE), [[0, 1, 2]]);
});

test("every text is in one batch, the shortest first", () => {
  const lengths = Array.from({ length: 500 }, (_, i) => 2 + ((i * 37) % 254));
  const batches = planBatches(lengths, { mostTexts: 32, mostTokens: 2048 });
  const places = batches.flat();
  assert.deepEqual(
    places.toSorted((a, b) => a - b),
    lengths.map((_, i) => i),
  );
  const inOrder = places.map((place) => lengths[place] as number);
  assert.deepEqual(
    inOrder,
    inOrder.toSorted((a, b) => a - b),
  );
});

test("no batch has more texts, more tokens or more padding than it may", () => {
  const lengths = Array.from({ length: 500 }, (_, i) => 2 + ((i * 61) % 254));
  const bounds = { mostTexts: 16, mostTokens: 1024 };
  for (const batch of planBatches(lengths, bounds)) {
    const ofBatch = batch.map((place) => lengths[place] as number);
    const padded = Math.max(...ofBatch) * batch.length;
    const real = ofBatch.reduce((sum, length) => sum + length, 0);
    assert.ok(batch.length <= bounds.mostTexts);
    assert.ok(padded <= bounds.mostTokens, `${padded} tokens`);
    assert.ok(padded - real <= padded / 8, `${padded - real} of ${padded} are padding`);
  }
});

test("batches are filled as far as they may be", () => {
  assert.deepEqual(
    planBatches(new Array(10).fill(100), { mostTexts: 100, mostTokens: 400 }).map(({ length }) => length),
    [4, 4, 2],
  );
  assert.deepEqual(
    planBatches(new Array(10).fill(100), { mostTexts: 3, mostTokens: 400 }).map(({ length }) => length),
    [3, 3, 3, 1],
  );
});

test("a text that is longer than a batch may be goes alone", () => {
  assert.deepEqual(planBatches([3, 5000, 3], { mostTexts: 10, mostTokens: 100 }), [[0, 2], [1]]);
});

test("no texts are no batch", () => {
  assert.deepEqual(planBatches([], WIDE), []);
});
