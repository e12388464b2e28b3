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
  assert.equal(makeExcerpt(null, undefined), "null");
});

test("it is one line of at most 240 characters, and no half of a pair", () => {
  assert.equal(makeExcerpt({ message: "a\n\tb  c " }, undefined), "a b c");
  const long = makeExcerpt({ message: "😀".repeat(200) }, undefined);
  assert.ok(long.length <= 240 && long.isWellFormed() && long.endsWith("…"));
});
