import assert from "node:assert/strict";
import { test } from "node:test";
import { makeExcerpt } from "../../../../shared/query/search/make-excerpt.js";

test("an excerpt is what somebody wrote to be read, else the reason, else the state in plain words", () => {
  assert.equal(makeExcerpt({ pid: 7, message: "Failed password for root" }, "why"), "Failed password for root");
  assert.equal(makeExcerpt({ State: 100 }, "carrier lost"), "carrier lost");
  assert.equal(
    makeExcerpt({ ActiveState: "failed", n: 2, list: ["a"] }, undefined),
    'ActiveState: failed, n: 2, list: ["a"]',
  );
  assert.equal(makeExcerpt("up", ""), "up");
  assert.equal(makeExcerpt({ message: " \n", error: "timed out" }, "why"), "timed out");
  assert.equal(makeExcerpt({ message: "" }, "  "), "message:");
});

test("of an event that has no state and no reason there is nothing to quote", () => {
  for (const state of [null, {}, "", "  "]) assert.equal(makeExcerpt(state, ""), "");
});

test("it is one line of at most 240 characters, and no half of a pair", () => {
  assert.equal(makeExcerpt({ message: "a\n\tb  c " }, undefined), "a b c");
  const long = makeExcerpt({ message: "😀".repeat(200) }, undefined);
  assert.ok(long.length <= 240 && long.isWellFormed() && long.endsWith("…"));
});
