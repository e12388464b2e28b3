import assert from "node:assert/strict";
import { test } from "node:test";
import { LateFollower } from "../../../primary/seal/follow-late.js";

/** Vectors that are there up to where the test says. */
class Vectors {
  #there = 0;
  #waiters: { uptoSeq: number; resolve: () => void }[] = [];
  asked: number[] = [];
  drained(uptoSeq: number): Promise<void> {
    this.asked.push(uptoSeq);
    return new Promise((resolve) => {
      this.#waiters.push({ uptoSeq, resolve });
      this.thereUpTo(this.#there);
    });
  }
  thereUpTo(seq: number): void {
    this.#there = seq;
    for (const { uptoSeq, resolve } of this.#waiters) if (uptoSeq <= seq) resolve();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function make() {
  const vectors = new Vectors();
  let seals = 0;
  const onThere = () => {
    seals += 1;
  };
  const follower = new LateFollower({ vectors, onThere, signal: new AbortController().signal });
  return { vectors, follower, seals: () => seals };
}

test("a seal is asked for once, when the last of the late vectors is there", async () => {
  const { vectors, follower, seals } = make();
  follower.sealed([
    [3, 4],
    [7, 9],
  ]);
  vectors.thereUpTo(9);
  await settled();
  assert.deepEqual([seals(), follower.isDue], [0, false]);
  vectors.thereUpTo(10);
  await settled();
  assert.deepEqual([seals(), follower.isDue], [1, true]);
  follower.sealed([]);
  assert.equal(follower.isDue, false);
  await settled();
  assert.equal(seals(), 1);
});

test("seals that go without in a row are followed by one, when the vectors of the last are there", async () => {
  const { vectors, follower, seals } = make();
  follower.sealed([[3, 4]]);
  follower.sealed([[3, 8]]);
  follower.sealed([[3, 12]]);
  vectors.thereUpTo(9);
  await settled();
  assert.equal(seals(), 0);
  vectors.thereUpTo(13);
  await settled();
  assert.equal(seals(), 1);
  assert.deepEqual(vectors.asked, [5, 13]);
});

test("a seal that found the late vectors by itself needs no other", async () => {
  const { vectors, follower, seals } = make();
  follower.sealed([[3, 4]]);
  follower.sealed([]);
  vectors.thereUpTo(20);
  await settled();
  assert.deepEqual([seals(), follower.isDue], [0, false]);
});
