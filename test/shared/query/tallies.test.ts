import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareNames,
  LayeredTallies,
  MemoryTallies,
  NAME_TALLIES,
  TALLY_KINDS,
} from "../../../shared/query/tallies.js";
import { seededRandom } from "../../support/build-store.js";

/** Events with few and many different names, so that the frequent ones differ between the layers. */
function someNamed(count: number, seed: number) {
  const random = seededRandom(seed);
  const pick = (names: number) => `n${Math.floor(random() ** 3 * names)}`;
  return Array.from({ length: count }, () => ({
    type: pick(12),
    action: pick(6),
    actor: pick(40),
    source: pick(3),
    priority: pick(4),
  }));
}

function tallyOf(events: ReturnType<typeof someNamed>): MemoryTallies {
  const tallies = new MemoryTallies();
  for (const event of events) tallies.add(event);
  return tallies;
}

test("layers count as one, and their most frequent names are those of all events, wherever they are split", () => {
  const events = someNamed(300, 3);
  const whole = tallyOf(events);
  for (const split of [0, 1, 10, 150, 299, 300]) {
    const layers = new LayeredTallies([tallyOf(events.slice(0, split)), tallyOf(events.slice(split))]);
    for (const kind of NAME_TALLIES) {
      for (const limit of [1, 5, 100]) assert.deepEqual(layers.frequent(kind, limit), whole.frequent(kind, limit));
    }
    for (const limit of [1, 100]) {
      assert.deepEqual(layers.frequent("type-actor", limit, "n1"), whole.frequent("type-actor", limit, "n1"));
    }
    assert.equal(layers.count("type-actor", "n0", "n0"), whole.count("type-actor", "n0", "n0"));
  }
  const n0 = events.filter(({ type, actor }) => type === "n0" && actor === "n0").length;
  assert.ok(n0 > 0);
  assert.equal(whole.count("type-actor", "n0", "n0"), n0);
  assert.equal(whole.count("actor", "nobody"), 0);
});

test("kinds stand at the places that catalogs on disk name them by", () => {
  assert.deepEqual(TALLY_KINDS, ["type", "action", "actor", "source", "priority", "type-action", "type-actor"]);
});

test("names are ordered by their bytes, as SQLite orders them", () => {
  const names = ["b", "a", "ab", "\u{1F600}", "\uFFFD", "é", "Z"];
  assert.deepEqual(names.sort(compareNames), ["Z", "a", "ab", "b", "é", "\uFFFD", "\u{1F600}"]);
});
