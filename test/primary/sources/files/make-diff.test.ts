import assert from "node:assert/strict";
import { test } from "node:test";
import { applyPatch } from "diff";
import { makeDiff } from "../../../../primary/sources/files/make-diff.js";

const lines = (count: number, of: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => `${of(index)}\n`).join("");

test("a diff leads from the old text to the new one, be it there or not, with or without a last line break", () => {
  const pairs: [string | undefined, string | undefined][] = [
    ["a\nb\nc\n", "a\nB\nc\n"],
    [undefined, "new\n"],
    ["old\n", undefined],
    ["a", "a\n"],
    ["", "a"],
    ["a\r\nb\r\n", "a\r\nc\r\n"],
    [lines(3000, (index) => `line ${index}`), lines(3000, (index) => `line ${index % 7 ? index : "x"}`)],
  ];
  for (const [before, after] of pairs) {
    const diff = makeDiff("/etc/a", before, after);
    assert.equal(applyPatch(before ?? "", diff, { autoConvertLineEndings: false }), after ?? "");
  }
  assert.equal(makeDiff("/etc/a", "same", "same"), "");
  assert.match(makeDiff("/etc/a", undefined, "x\n"), /^--- \/dev\/null\n\+\+\+ \/etc\/a\n@@/);
});

test("two texts that have nothing in common cost no more than a moment, and the diff is still true", () => {
  const [before, after] = [
    lines(16_000, (index) => (index % 2 ? "a" : "b")),
    lines(16_000, (index) => ((index * 7) % 3 ? "a" : "b")),
  ];
  const started = process.cpuUsage();
  const diff = makeDiff("/etc/a", before, after);
  assert.ok(process.cpuUsage(started).user < 2_000_000);
  assert.equal(applyPatch(before, diff), after);
});
