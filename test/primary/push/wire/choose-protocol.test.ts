import assert from "node:assert/strict";
import { test } from "node:test";
import { compressedDataIsSafe } from "../../../../primary/push/wire/choose-protocol.js";

const GOOD = { kernel: "6.18.44", progs: "6.2" };

const CASES: [kernel: string, progs: string, safe: boolean][] = [
  ["6.1.0-18-amd64", "6.2", true],
  ["6.8.12-4-pve", "6.6.3", true],
  ["7.0.0", "7.1", true],
  ["6.0.19", "6.2", false],
  ["5.18.0", "6.2", false],
  ["5.15.0-91-generic", "5.16.2", false],
  ["6.18.44", "6.1.3", false],
  ["6.18.44", "5.19", false],
  ["6.2-rc3", "6.2", true],
  ["", "6.2", false],
  ["6.18.44", "unknown", false],
];

for (const [kernel, progs, safe] of CASES) {
  test(`kernel ${kernel || "(none)"} with btrfs-progs ${progs} is ${safe ? "good" : "not good"} enough, on either end`, () => {
    assert.equal(compressedDataIsSafe({ kernel, progs }, GOOD), safe);
    assert.equal(compressedDataIsSafe(GOOD, { kernel, progs }), safe);
  });
}
