import assert from "node:assert/strict";
import { test } from "node:test";
import { filesOptions, isFilesSourceWanted } from "../../../../primary/sources/files/options.js";

test("without a list nothing is watched; with one it is, unless that is switched off", () => {
  assert.equal(isFilesSourceWanted(filesOptions.parse({})), false);
  assert.equal(isFilesSourceWanted(filesOptions.parse({ watch: ["/etc/**"] })), true);
  assert.equal(isFilesSourceWanted(filesOptions.parse({ watch: ["/etc/**"], enabled: false })), false);
  const { max_diff_bytes, max_hash_bytes, max_files } = filesOptions.parse({});
  assert.deepEqual([max_diff_bytes, max_hash_bytes, max_files], [65_536, 67_108_864, 50_000]);
});

test("globs that cannot be watched are refused with a reason", () => {
  const rows: [string, RegExp][] = [
    ["etc/**", /must be an absolute path or glob/],
    ["/proc/*/status", /must not lie in \/proc/],
    ["/etc/{a/b}", /no `\/` inside braces/],
    ["", /must be a glob such as/],
  ];
  for (const [glob, reason] of rows) {
    const { error } = filesOptions.safeParse({ watch: [glob] });
    assert.match(error?.issues[0]?.message ?? "", reason, glob);
  }
});
