import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventRow } from "../../../shared/query/event-layer.js";
import { LayeredEvents } from "../../../shared/query/layered-events.js";
import { type TailEvent, TailLayer } from "../../../shared/query/tail-layer.js";

/** Two layers: events 0 to 4 below, 5 to 7 above; the last happened before all others. */
const element = (seq: number) => (seq % 2 === 0 ? "even" : "odd");
const events: TailEvent[] = Array.from({ length: 8 }, (_, seq) => {
  const row: EventRow = {
    seq,
    hash: Buffer.alloc(32, seq + 16),
    element: element(seq),
    type: "T",
    action: "modified",
    actor: "admin",
    source: "test",
    priority: "medium",
    atMicros: seq === 7 ? 1 : 100 + seq,
    height: Math.floor(seq / 2),
  };
  const stored = {
    entry: Buffer.from(`entry ${seq}`),
    payload: Buffer.from(`payload word${seq}`),
    leaf: row.hash,
    file: "entries/x",
    offset: 0,
    payloadFile: "payloads/x",
    payloadOffset: 0,
  };
  return { row, stored };
});
const layers = new LayeredEvents([new TailLayer(events.slice(0, 5)), new TailLayer(events.slice(5))]);
const all = { fromMicros: 0, toMicros: 1e6, reverse: false };
const seqs = (rows: { seq: number }[]) => rows.map(({ seq }) => seq);

test("a chain goes on from one layer into the next", () => {
  assert.deepEqual(seqs(layers.chain("odd", 0, 10, 8)), [1, 3, 5, 7]);
  assert.deepEqual(seqs(layers.chain("odd", 1, 2, 8)), [3, 5]);
  assert.equal(layers.topHeight("even", 8), 3);
  assert.equal(layers.topHeight("none", 8), -1);
});

test("the timeline merges the layers by time, both ways", () => {
  assert.deepEqual(seqs(layers.timeline(all, 4, 8)), [7, 0, 1, 2]);
  assert.deepEqual(seqs(layers.timeline({ ...all, reverse: true }, 3, 8)), [6, 5, 4]);
  const after = { atMicros: 103, seq: 3 };
  assert.deepEqual(seqs(layers.timeline({ ...all, after }, 9, 8)), [4, 5, 6]);
});

test("nothing at or above the asked size is answered", () => {
  assert.equal(layers.bySeq(6, 6), undefined);
  assert.deepEqual(seqs(layers.chain("even", 0, 10, 4)), [0, 2]);
  assert.deepEqual(layers.text(["word6"], 5, 6), []);
});

test("hits can be bound to events that hold a name, and to some events", () => {
  assert.deepEqual(seqs(layers.text(["payload"], 9, 8, { holding: ["word2", "word6"] })), [6, 2]);
  assert.deepEqual(seqs(layers.text(["payload"], 9, 8, { among: [1, 7] })), [7, 1]);
  assert.deepEqual(layers.holding(["odd"], 3, 8), [7, 5, 3]);
  assert.deepEqual([layers.countHolding("odd", 8), layers.countHolding("odd", 6)], [4, 3]);
});

test("stored bytes come from the layer that gave the row", () => {
  for (const seq of [2, 6]) {
    const row = layers.bySeq(seq, 8);
    assert.ok(row);
    assert.equal(layers.stored(row).entry.toString(), `entry ${seq}`);
  }
  assert.equal(layers.lastAt("odd", 50, 8)?.seq, 7);
  assert.deepEqual(seqs(layers.byHash("1515", 5, 8)), [5]);
});

test("elements come once, with the newest event of the uppermost layer that has one", () => {
  const filter = { prefix: "" };
  assert.deepEqual(seqs(layers.elements(filter, 9, 8)), [6, 7]);
  assert.deepEqual(seqs(layers.elements(filter, 9, 6)), [4, 5]);
  assert.deepEqual(seqs(layers.elements({ ...filter, after: "even" }, 9, 8)), [7]);
  assert.deepEqual(seqs(layers.elements({ prefix: "e" }, 9, 8)), [6]);
  assert.equal(layers.elementCount(8), 2);
  assert.equal(layers.elementCount(1), 1);
});

test("an element whose newest event is of another type is no more of the type it was below", () => {
  const turned = (seq: number, height: number, name: string, type: string): TailEvent => {
    const event = events[seq] as TailEvent;
    return { ...event, row: { ...event.row, element: name, height, type } };
  };
  const below = ["a", "b", "c", "d", "e"].map((name, seq) => turned(seq, 0, name, "T"));
  const above = ["a", "b", "d"].map((name, i) => turned(5 + i, 1, name, "U"));
  const both = new LayeredEvents([new TailLayer(below), new TailLayer(above)]);
  const names = (types: string[], limit: number) =>
    both.elements({ types, prefix: "" }, limit, 8).map(({ element }) => element);
  assert.deepEqual(names(["T"], 2), ["c", "e"]);
  assert.deepEqual(names(["T"], 1), ["c"]);
  assert.deepEqual(names(["U"], 9), ["a", "b", "d"]);
  assert.deepEqual(names(["U", "T"], 9), ["a", "b", "c", "d", "e"]);
});

test("counts are those of all layers", () => {
  const span = { fromMicros: 101, toMicros: 200 };
  assert.equal(layers.countBetween(span, 8), 6);
  assert.equal(layers.countBetween(span, 6), 5);
  const groups = layers.groups(span, true, 8);
  assert.equal(
    groups.reduce((sum, { count }) => sum + count, 0),
    6,
  );
  assert.deepEqual(new Set(groups.map(({ element }) => element)), new Set(["even", "odd"]));
  assert.ok(layers.groups(span, false, 8).every((group) => group.element === undefined));
  assert.equal(layers.firstMicros("odd", 8), 1);
  assert.equal(layers.firstMicros("odd", 7), 101);
  assert.equal(layers.firstMicros("none", 8), undefined);
  assert.equal(layers.countBefore("odd", "modified", 200, 9, 8), 4);
  assert.equal(layers.countBefore("odd", undefined, 100, 9, 8), 1);
  assert.equal(layers.countBefore("odd", "created", 200, 9, 8), 0);
  assert.equal(layers.countBefore("odd", "modified", 200, 3, 8), 3);
  assert.equal(layers.tallies(8).count("type", "T"), 8);
  assert.equal(layers.tallies(6).count("type-action", "T", "modified"), 6);
});
