import assert from "node:assert/strict";
import { test } from "node:test";
import { fitLines } from "../../../shared/cli/terminal-screen.js";

test("what is taller than the terminal is cut, and says by how much", () => {
  const lines = ["a", "b", "c", "d"];
  assert.deepEqual(fitLines(lines, 4), lines);
  assert.deepEqual(fitLines(lines, 3), ["a", "b", "… 2 more lines: they need a taller terminal"]);
  assert.deepEqual(fitLines(lines, 1), ["… 4 more lines: they need a taller terminal"]);
});

test("a terminal that does not know its height gets every line", () => {
  assert.deepEqual(fitLines(["a", "b"], 0), ["a", "b"]);
  assert.deepEqual(fitLines(["a", "b"], undefined), ["a", "b"]);
});
