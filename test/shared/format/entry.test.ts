import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalise } from "../../../shared/format/canonical-json.js";
import { type Entry, formatEntry, parseEntry } from "../../../shared/format/entry.js";
import { GENESIS_HASH, leafHash, sha256Hex } from "../../../shared/format/hash.js";
import { formatPayload, type Payload, parsePayload } from "../../../shared/format/payload.js";
import { MOST_LATE_RANGES, parseSeal, type Seal, sealElementId, sealState } from "../../../shared/format/seal.js";
import { firstSeqOf, segmentName } from "../../../shared/format/segment-name.js";
import { readVectors } from "../../support/read-vectors.js";

interface FrozenEvent {
  payload: Payload;
  payload_line: string;
  payload_hash: string;
  entry: Entry;
  entry_line: string;
  event_hash: string;
}
const { events } = readVectors<{ events: [FrozenEvent, FrozenEvent] }>("entry");
const frozenSeal = readVectors<{ element_id: string; uuid: string; seal: Seal; canonical: string }>("seal");

test("lines and hashes of entries and payloads are the frozen ones", () => {
  for (const { payload, payload_line, payload_hash, entry, entry_line, event_hash } of events) {
    const parts = {
      idempotencyKey: payload.idempotency_key,
      reason: payload.reason,
      redacted: payload.redacted,
      stateJson: canonicalise(payload.state_snapshot),
    };
    assert.equal(formatPayload(parts, payload.salt, payload.seq), payload_line);
    assert.equal(sha256Hex(payload_line), payload_hash);
    assert.equal(formatEntry(entry), entry_line);
    assert.equal(leafHash(Buffer.from(entry_line)).toString("hex"), event_hash);
  }
});

test("stored lines are read back to what they were made of", () => {
  for (const { payload, payload_line, entry, entry_line } of events) {
    assert.deepEqual(parsePayload(payload_line), payload);
    assert.deepEqual(parseEntry(entry_line), entry);
    assert.equal(canonicalise(JSON.parse(entry_line)), entry_line);
    assert.equal(canonicalise(JSON.parse(payload_line)), payload_line);
  }
});

test("a line is read back whatever its strings hold", () => {
  const { entry } = events[0];
  const strings = [
    "",
    "plain",
    'a "quoted" one',
    "back\\slash",
    "new\nline",
    "\u007f\u0000",
    "größer",
    "\u{1f600}",
    "\u2028",
  ];
  for (const text of strings) {
    for (const field of ["action", "actor", "element_id", "element_type", "source"] as const) {
      const other = { ...entry, [field]: text };
      assert.deepEqual(parseEntry(formatEntry(other)), other);
    }
  }
  const long = { ...entry, seq: Number.MAX_SAFE_INTEGER, height: 10 ** 15 };
  assert.deepEqual(parseEntry(formatEntry(long)), long);
});

test("a chain begins with 64 zeros and goes on with the hash of the entry before", () => {
  const [first, second] = events;
  assert.equal(first.entry.previous_event_hash, GENESIS_HASH);
  assert.equal(second.entry.previous_event_hash, first.event_hash);
});

test("two lines never mean the same entry", () => {
  const line = events[0].entry_line;
  const same = [
    line.replace(":", ": "),
    line.replace('"seq":0', '"seq":0.0'),
    line.replace("}", ',"x":1}'),
    line.replace('"seq":0', '"seq":00'),
    line.replace('"seq":0', '"seq":-0'),
    line.replace('"action":"c', '"action":"\\u0063'),
    `${line}\n`,
    ` ${line}`,
  ];
  for (const other of same) assert.throws(() => parseEntry(other), { code: "bad-entry" }, other);
});

test("an entry with a field that is missing or wrong is refused by that field's name", () => {
  const wrong: [keyof Entry, unknown][] = [
    ["action", 1],
    ["actor", "\ud800"],
    ["payload_hash", "AB"],
    ["height", -1],
    ["seq", 2 ** 53],
    ["priority", "urgent"],
    ["timestamp", "2026-11-20"],
    ["recorded", undefined],
  ];
  for (const [field, value] of wrong) {
    const line = JSON.stringify({ ...events[0].entry, [field]: value });
    assert.throws(() => parseEntry(line), { code: "bad-entry", message: new RegExp(field) }, field);
  }
  for (const line of ["", "{", "null", "[]", "1"]) assert.throws(() => parseEntry(line), { code: "bad-entry" }, line);
});

test("a payload that names no sequence number is refused", () => {
  for (const line of ["", "null", "{}", '{"seq":"1"}'])
    assert.throws(() => parsePayload(line), { code: "bad-payload" });
});

test("a seal's state is the frozen one and is read back", () => {
  assert.equal(sealElementId(frozenSeal.uuid), frozenSeal.element_id);
  assert.equal(canonicalise(sealState(frozenSeal.seal)), frozenSeal.canonical);
  assert.deepEqual(parseSeal(JSON.parse(frozenSeal.canonical)), frozenSeal.seal);
});

test("a seal that names rows outside its own files is refused", () => {
  const space = frozenSeal.seal.spaces[0];
  const run = space?.added[0];
  for (const change of [{ file: "../x.vec" }, { first: -1 }, { rows: 0 }, { sha256: "" }]) {
    const seal = { generation: 1, spaces: [{ ...space, added: [{ ...run, ...change }] }] };
    assert.throws(() => parseSeal(seal as never), { code: "bad-payload" }, JSON.stringify(change));
  }
  assert.throws(() => parseSeal({ generation: 1, spaces: [{ ...space, definition: "" }] } as never), {
    code: "bad-payload",
  });
  for (const state of [null, 1, {}, { generation: 0, spaces: [] }, { generation: 1 }]) {
    assert.throws(() => parseSeal(state as never), { code: "bad-payload" }, JSON.stringify(state));
  }
});

test("a seal may call events late, in the one form that their ranges have and not too many of them", () => {
  const space = frozenSeal.seal.spaces[0];
  const late = (ranges: unknown) => ({ generation: 1, spaces: [space], late: ranges }) as never;
  const good: Seal = parseSeal(
    late([
      [3, 7],
      [9, 9],
    ]),
  );
  assert.deepEqual(good.late, [
    [3, 7],
    [9, 9],
  ]);
  assert.match(canonicalise(sealState(good)), /^\{"generation":1,"late":\[\[3,7\],\[9,9\]\],"spaces":/);
  const many = (count: number) => Array.from({ length: count }, (_, i) => [2 * i, 2 * i]);
  parseSeal(late(many(MOST_LATE_RANGES)));
  for (const ranges of [
    [],
    null,
    [[7, 3]],
    [
      [3, 7],
      [8, 9],
    ],
    [
      [3, 7],
      [1, 2],
    ],
    [3],
    many(MOST_LATE_RANGES + 1),
  ]) {
    assert.throws(() => parseSeal(late(ranges)), { code: "bad-payload" });
  }
});

test("segments are named by 20 digits, so that name order is ledger order", () => {
  assert.equal(segmentName(1041, "jsonl"), "00000000000000001041.jsonl");
  assert.equal(firstSeqOf("00000000000000001041.vec"), 1041);
  for (const name of ["1041.jsonl", "00000000000000001041.tmp", "99999999999999999999.vec"]) {
    assert.throws(() => firstSeqOf(name), { code: "bad-entry" }, name);
  }
});
