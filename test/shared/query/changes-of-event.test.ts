import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { changesOf } from "../../../shared/query/changes-of-event.js";
import type { VerifiedEvent } from "../../../shared/query/verify-event.js";

function event(source: string, state_snapshot: JsonValue): VerifiedEvent {
  return { entry: { source }, payload: { state_snapshot } } as unknown as VerifiedEvent;
}

test("what a watching source keeps beside the state is no change of the element", () => {
  const before = event("files", { size_bytes: 1, change: { diff: "-a\n+b" } });
  const after = event("files", { size_bytes: 2, change: { unseen: { from: "x", to: "y" } } });
  assert.deepEqual(changesOf(before, after), [{ field: "size_bytes", old: 1, new: 2 }]);
});

test("a client's own field of that name is compared like any other", () => {
  const [before, after] = [event("socket", { change: 1 }), event("socket", { change: 2 })];
  assert.deepEqual(changesOf(before, after), [{ field: "change", old: 1, new: 2 }]);
});

test("an element's first event changes everything it has", () => {
  assert.deepEqual(changesOf(undefined, event("ovsdb", { up: true })), [{ field: "up", new: true }]);
});
