import assert from "node:assert/strict";
import { test } from "node:test";
import { compareStates } from "../../../shared/query/compare-states.js";

test("a change names the path, the old value and the new one", () => {
  assert.deepEqual(compareStates({ mtu: 1500, address: { v4: "a" } }, { mtu: 9000, address: { v4: "a" } }), [
    { field: "mtu", old: 1500, new: 9000 },
  ]);
});

test("a field that appears has no old value, one that goes has no new one", () => {
  assert.deepEqual(compareStates({ a: 1 }, { b: { c: 2 } }), [
    { field: "a", old: 1 },
    { field: "b.c", new: 2 },
  ]);
});

test("items of lists are told apart by their place, and odd keys are quoted", () => {
  assert.deepEqual(compareStates({ dns: ["x", "y"] }, { dns: ["x", "z"], "odd.key": true }), [
    { field: "dns[1]", old: "y", new: "z" },
    { field: '["odd.key"]', new: true },
  ]);
});

test("equal states have no changes, whatever they are", () => {
  for (const state of [null, 0, "", [], {}, { a: [{}] }]) assert.deepEqual(compareStates(state, state), []);
});

test("a state that turns from an object into a list is one change of the whole", () => {
  assert.deepEqual(compareStates({ a: 1 }, [1]), [{ field: "", old: { a: 1 }, new: [1] }]);
});
