import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createNowMicros,
  formatTimestamp,
  isStoredTimestamp,
  nowTimestamp,
  parseTimestamp,
} from "../../../shared/format/timestamp.js";
import { readVectors } from "../../support/read-vectors.js";

const vectors = readVectors<{ times: { text: string; stored: string; micros: number }[]; refused: string[] }>(
  "timestamp",
);

test("every ISO 8601 form is read to the microsecond and stored in one form", () => {
  for (const { text, stored, micros } of vectors.times) {
    assert.equal(parseTimestamp(text), micros, text);
    assert.equal(formatTimestamp(micros), stored, text);
    assert.ok(isStoredTimestamp(stored));
  }
});

test("text that is no time, or a time that does not exist, is refused", () => {
  for (const text of vectors.refused) assert.throws(() => parseTimestamp(text), { code: "bad-timestamp" }, text);
});

test("text order of stored times is time order", () => {
  const byText = vectors.times.map(({ stored }) => stored).sort();
  const byTime = [...vectors.times].sort((a, b) => a.micros - b.micros).map(({ stored }) => stored);
  assert.deepEqual(byText, byTime);
});

test("the present time is in the stored form", () => {
  assert.ok(isStoredTimestamp(nowTimestamp()));
});

const WALL_MS = 1_795_169_100_000;

test("the present time has microseconds that the wall clock has not", () => {
  const clocks = { wall: WALL_MS, steady: 0 };
  const now = createNowMicros({ wallMs: () => clocks.wall, steadyMs: () => clocks.steady });
  clocks.steady = 1.25;
  assert.equal(now(), WALL_MS * 1000 + 1250);
  clocks.steady = 1.251;
  clocks.wall += 1;
  assert.equal(now(), WALL_MS * 1000 + 1251);
});

test("the present time follows a wall clock that was set, either way, and one that went on in a machine's sleep", () => {
  for (const stepMs of [3_600_000, -3_600_000, 1500]) {
    const clocks = { wall: WALL_MS, steady: 50 };
    const now = createNowMicros({ wallMs: () => clocks.wall, steadyMs: () => clocks.steady });
    assert.equal(now(), WALL_MS * 1000);
    clocks.wall += stepMs;
    assert.equal(now(), (WALL_MS + stepMs) * 1000);
    clocks.wall += 1;
    clocks.steady += 1.5;
    assert.equal(now(), (WALL_MS + stepMs) * 1000 + 1500);
  }
});

test("the present time rises steadily through a wall clock's small corrections", () => {
  const clocks = { wall: WALL_MS, steady: 0 };
  const now = createNowMicros({ wallMs: () => clocks.wall, steadyMs: () => clocks.steady });
  let before = now();
  for (const correctionMs of [3, -2, 400, -900]) {
    clocks.wall += correctionMs;
    clocks.steady += 0.001;
    const next = now();
    assert.ok(next >= before && next <= before + 1);
    before = next;
  }
});
