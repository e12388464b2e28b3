// The heuristic space: what its vectors promise.
import assert from "node:assert/strict";
import { test } from "node:test";
import { embedHeuristic, heuristicSpace } from "../../../shared/embed/heuristic.js";
import { addAction, listActions, NO_ACTIONS } from "../../../shared/embed/recent-actions.js";
import type { JsonValue } from "../../../shared/format/canonical-json.js";
import { formatSpace, isSpaceName, parseSpace, spaceName } from "../../../shared/format/space.js";

const base = {
  action: "modified",
  element_id: "interface:eth0",
  element_type: "NetworkInterface",
  timestamp: "2026-11-20T10:05:00.123456Z",
};
const up = { name: "eth0", mtu: 1500, state: "link is up", bridge: { name: "vmbr0", ports: ["eth0", "tap100i0"] } };

/** `actions` in the order in which they happened. */
function recent(...actions: string[]): number {
  return actions.reduce(addAction, NO_ACTIONS);
}

function embed(entry: typeof base, state: JsonValue): Float32Array {
  return embedHeuristic(entry, state, NO_ACTIONS);
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

test("every vector has length exactly 1 and values that are multiples of 1/16", () => {
  const states: JsonValue[] = [
    null,
    0,
    "",
    [],
    {},
    up,
    "x".repeat(100_000),
    Array.from({ length: 5000 }, (_, i) => `word${i}`),
    { a: { b: { c: [1, [2]] } } },
  ];
  const entries = [
    base,
    { ...base, timestamp: "no time" },
    { action: "", element_id: "", element_type: "", timestamp: "" },
  ];
  for (const entry of entries) {
    for (const state of states) {
      const vector = embedHeuristic(entry, state, recent("started", "failed"));
      assert.equal(vector.length, heuristicSpace.dimensions);
      assert.equal(cosine(vector, vector), 1);
      assert.ok(vector.every((value) => Number.isInteger(value * 16)));
    }
  }
});

test("the same event gives the same vector", () => {
  assert.deepEqual(embed(base, up), embed({ ...base }, structuredClone(up)));
});

test("a frozen event keeps its vector: a change needs a new version text", () => {
  const steps = [...embedHeuristic(base, up, recent("added", "modified", "connected"))].map((value) => value * 16);
  assert.deepEqual(steps, FROZEN);
  assert.equal(spaceName(heuristicSpace), FROZEN_NAME);
});

test("a near-duplicate state is nearer than another state, and that nearer than another element and action", () => {
  const origin = embed(base, up);
  const near = cosine(origin, embed(base, { ...up, mtu: 9000 }));
  const other = cosine(origin, embed(base, { message: "dhcp lease expired on this host" }));
  const foreign = embed(
    { ...base, element_id: "package:curl:amd64", element_type: "Package", action: "installed" },
    { version: "1.2" },
  );
  assert.ok(near > 0.98, `near ${near}`);
  assert.ok(near > other && other > cosine(origin, foreign), `${near} ${other} ${cosine(origin, foreign)}`);
});

test("states that say the same of different numbers are near", () => {
  const say = (text: string) => embed(base, { message: text });
  const a = say("Failed password for root from 10.0.0.1 port 4242");
  const b = say("Failed password for root from 192.168.7.9 port 51");
  assert.ok(cosine(a, b) > cosine(a, say("Received disconnect from 10.0.0.1 port 4242")));
  assert.ok(cosine(a, b) > 0.95);
});

test("the last five actions are kept, the newest first, and no others", () => {
  const five = ["added", "started", "failed", "stopped", "reloaded"];
  assert.equal(recent("forgotten", ...five), recent(...five));
  assert.deepEqual(
    listActions(recent(...five)),
    five.reverse().flatMap((action) => listActions(recent(action))),
  );
  assert.deepEqual(listActions(NO_ACTIONS), []);
});

test("of events that say the same, those are nearer whose elements did the same before", () => {
  const after = (...actions: string[]) => embedHeuristic(base, up, recent(...actions));
  const looping = after("started", "failed", "started", "failed");
  const same = cosine(looping, after("created", "started", "failed", "started", "failed"));
  const alike = cosine(looping, after("started", "stopped", "started", "failed"));
  const other = cosine(looping, after("enabled", "reloaded", "upgraded", "locked"));
  assert.ok(same > alike && alike > other, `${same} ${alike} ${other}`);
  assert.ok(other > 0.8, `what was before says less than what is: ${other}`);
});

test("the space describes itself", () => {
  assert.ok(isSpaceName(spaceName(heuristicSpace)));
  assert.deepEqual(parseSpace(formatSpace(heuristicSpace)), heuristicSpace);
});

const FROZEN_NAME = "heuristic-c2334bc334f3";
const FROZEN = [
  -4, 1, 4, 0, 0, -4, 0, 0, 0, 0, 0, -4, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 4, 0, 0, 3, 3, 0, 0, 0,
  0, 0, -3, 0, 0, -2, 0, -3, 0, 0, -4, 2, 0, 0, 2, 2, 1, 2, 3, 1, 0, 2, 1, -2, -2, -1, 0, 2, 0, 0, -2, -3, 0, 0,
];
