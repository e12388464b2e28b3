// Which space an event is compared in, where several have a vector of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueryContext } from "../../../shared/query/query-context.js";
import { spaceWith } from "../../../shared/query/query-similar.js";

/** Each space as its format, its dimensions, and how many of 100 events have a row in it, from the first on. */
function chosen(
  spaces: Record<string, [format: 1 | 2, dimensions: number, rows: number]>,
  seq = 0,
): string | undefined {
  const indexes = Object.entries(spaces).map(([name, [format, dimensions, rows]]) => {
    const index = { space: { format, dimensions }, rows, has: (of: number) => of < rows };
    return [name, index] as const;
  });
  return spaceWith({ spaces: new Map(indexes) } as unknown as QueryContext, seq)?.space;
}

test("an event is compared in the best space that covers about as much as any", () => {
  const spaces = { heuristic: [1, 72, 100], medium: [2, 384, 100], high: [2, 768, 90] } as const;
  assert.equal(
    chosen({ heuristic: [...spaces.heuristic], medium: [...spaces.medium], high: [...spaces.high] }),
    "high",
  );
  assert.equal(chosen({ heuristic: [...spaces.heuristic], medium: [...spaces.medium] }), "medium");
});

test("a space that has only begun to be filled is not the one, nor is one without the event", () => {
  assert.equal(chosen({ heuristic: [1, 72, 100], medium: [2, 384, 30] }), "heuristic");
  assert.equal(chosen({ heuristic: [1, 72, 100], medium: [2, 384, 60] }, 80), "heuristic");
  assert.equal(chosen({ medium: [2, 384, 60] }, 80), undefined);
});
