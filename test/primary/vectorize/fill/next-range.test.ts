// Which events a fill takes next.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventsOf, nextRange } from "../../../../primary/vectorize/fill/next-range.js";

function next(taken: number[], late: number[], bounds: { from?: number; end: number; events?: number; span?: number }) {
  const { from = 0, end, events = 100, span = 100 } = bounds;
  const wanted = {
    from,
    end,
    isTaken: (seq: number) => taken.includes(seq),
    isLate: (seq: number) => late.includes(seq),
  };
  return nextRange(wanted, { events, span });
}

describe("the next range of a fill", () => {
  test("begins at the first event that is wanted and ends behind the last, with those between that are not", () => {
    assert.deepEqual(next([0, 1, 4, 8, 9], [5], { end: 10 }), { from: 2, to: 8, skip: [4, 5] });
  });

  test("is none where every event has its row or is late, and where nothing is in a generation", () => {
    assert.equal(next([0, 2], [1], { end: 3 }), undefined);
    assert.equal(next([], [], { end: 0 }), undefined);
    assert.equal(next([], [], { from: 5, end: 5 }), undefined);
  });

  test("holds so many wanted events at the most, and reaches so far at the most", () => {
    assert.deepEqual(next([1], [], { end: 50, events: 3 }), { from: 0, to: 4, skip: [1] });
    const far = next([...Array(40).keys()].slice(1), [], { end: 50, span: 20 });
    assert.deepEqual(far, { from: 0, to: 1, skip: [] });
  });

  test("covers, one after another, each wanted event once", () => {
    const taken = [0, 3, 4, 5, 11, 12, 19];
    const late = [7, 8];
    const seen: number[] = [];
    for (let from = 0; ; ) {
      const range = next(taken, late, { from, end: 20, events: 3, span: 6 });
      if (!range) break;
      seen.push(...eventsOf(range));
      from = range.to;
    }
    assert.deepEqual(
      seen,
      [...Array(20).keys()].filter((seq) => !taken.includes(seq) && !late.includes(seq)),
    );
  });
});
