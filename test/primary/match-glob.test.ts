import assert from "node:assert/strict";
import { test } from "node:test";
import { createGlob } from "../../primary/match-glob.js";

const cases: [glob: string, fits: string[], fitsNot: string[]][] = [
  ["eth0", ["eth0"], ["eth", "eth00", "ETH0", ""]],
  ["*", ["", "a", "a*b"], []],
  ["eth*", ["eth", "eth0"], ["xeth", "et"]],
  ["*0", ["0", "eth0"], ["eth01"]],
  ["a*a", ["aa", "aba"], ["a", "ab"]],
  ["interface:*.*", ["interface:eth0.100", "interface:."], ["interface:eth0"]],
  ["*ab*ab*", ["abab", "xabyabz"], ["ab", "aba"]],
  ["a*bc*c", ["abcc", "a-bc-c"], ["abc", "ac"]],
  ["a.c+(x)[0]", ["a.c+(x)[0]"], ["abc+(x)[0]", "acc"]],
  ["**", ["", "x"], []],
];
for (const [glob, fits, fitsNot] of cases) {
  test(`${glob} fits ${fits.join(", ")} and not ${fitsNot.join(", ") || "nothing"}`, () => {
    const matches = createGlob(glob);
    assert.deepEqual(
      fits.filter((name) => !matches(name)),
      [],
    );
    assert.deepEqual(fitsNot.filter(matches), []);
  });
}

test("a hostile name and a pattern of many parts take no longer than their lengths multiplied", () => {
  assert.equal(createGlob(`${"a*".repeat(200)}b`)("a".repeat(200_000)), false);
});
