import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTimestamp, isStoredTimestamp, nowTimestamp, parseTimestamp } from "../../../shared/format/timestamp.js";
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
