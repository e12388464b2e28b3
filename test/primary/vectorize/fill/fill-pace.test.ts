// How fast a fill goes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FillPace, secondsFor } from "../../../../primary/vectorize/fill/fill-pace.js";

describe("the pace of a fill", () => {
  test("is what was done in the last minute by the time it took, on all workers", () => {
    const pace = new FillPace();
    assert.equal(pace.eventsPerSecond(1, 0), undefined);
    pace.note(100, 500, 1000);
    pace.note(300, 1500, 3000);
    assert.equal(pace.eventsPerSecond(1, 3000), 200);
    assert.equal(pace.eventsPerSecond(2, 3000), 400);
    assert.equal(pace.eventsPerSecond(1, 62_000), 200);
    assert.equal(pace.eventsPerSecond(1, 64_000), undefined);
  });

  test("follows the newest notes where there are very many", () => {
    const pace = new FillPace();
    for (let at = 0; at < 1000; at += 1) pace.note(1, 10, at);
    for (let at = 1000; at < 1300; at += 1) pace.note(1, 1, at);
    assert.equal(pace.eventsPerSecond(1, 1300), 1000);
  });

  test("tells how long the rest takes, where it is known", () => {
    assert.equal(secondsFor(101, 10), 11);
    assert.equal(secondsFor(0, undefined), 0);
    assert.equal(secondsFor(5, undefined), null);
  });
});
