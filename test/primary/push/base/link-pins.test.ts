import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkPins } from "../../../../primary/push/base/link-pins.js";

const generations = (pins: LinkPins) => pins.list.map(({ generation }) => generation);

test("the base stays until the replica acks the next, and so does what is sent until it is known what arrived", () => {
  const pins = new LinkPins();
  assert.equal(pins.replace([3]), true);
  const ends = pins.pushBegins(5);
  assert.deepEqual([generations(pins), pins.isPushing], [[3, 5], true]);
  ends();
  assert.deepEqual([generations(pins), pins.isPushing], [[3, 5], false]);
  assert.ok(pins.has(3) && pins.has(5) && !pins.has(4));
  assert.equal(pins.replace([5]), true);
  assert.deepEqual(generations(pins), [5]);
  assert.equal(pins.replace([5]), false);
});

test("a pin is out of date from the first newer generation on, however often it is confirmed", () => {
  const pins = new LinkPins();
  pins.replace([3]);
  pins.noteNewest(3, 1000);
  assert.equal(pins.list[0]?.supersededMs, undefined);
  pins.noteNewest(4, 2000);
  pins.noteNewest(7, 3000);
  pins.replace([3]);
  assert.equal(pins.list[0]?.supersededMs, 2000);
  // A newer base begins anew.
  pins.replace([7]);
  assert.equal(pins.list[0]?.supersededMs, undefined);
});

test("what was noted before a restart counts on", () => {
  const pins = new LinkPins();
  pins.add(3, 500);
  pins.noteNewest(9, 9000);
  assert.deepEqual(pins.list, [{ generation: 3, supersededMs: 500 }]);
});

test("what is let go is remembered until the replica holds something to build on again", () => {
  const pins = new LinkPins();
  assert.equal(pins.letGo("nothing there", 1), undefined);
  pins.replace([3]);
  pins.pushBegins(4)();
  assert.deepEqual(pins.letGo("too old", 77), { generation: 3, reason: "too old", atMs: 77 });
  assert.deepEqual([generations(pins), pins.has(3), pins.lost?.reason], [[], false, "too old"]);
  // It said hello, and nothing here is its base.
  pins.replace([]);
  assert.equal(pins.lost?.generation, 3);
  pins.pushBegins(9);
  assert.equal(pins.lost?.generation, 3);
  pins.replace([9]);
  assert.equal(pins.lost, undefined);
});

test("nothing of a push under way is let go", () => {
  const pins = new LinkPins();
  pins.replace([3]);
  pins.pushBegins(4);
  assert.equal(pins.letGo("too old", 1), undefined);
  assert.deepEqual(generations(pins), [3, 4]);
});

test("the end of a push whose connection was lost is not that of the next one", () => {
  const pins = new LinkPins();
  const lost = pins.pushBegins(4);
  const ends = pins.pushBegins(5);
  lost();
  assert.ok(pins.isPushing);
  ends();
  assert.ok(!pins.isPushing);
});
