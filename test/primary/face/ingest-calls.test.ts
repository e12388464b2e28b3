import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import type { EventSink } from "../../../primary/event.js";
import { IngestCalls } from "../../../primary/face/ingest-calls.js";
import type { AckLine } from "../../../primary/sources/lines/format-ack.js";
import type { Caller } from "../../../shared/dbus/served-object.js";
import { until } from "../../support/until.js";
import { withLedger } from "../../support/with-ledger.js";
import { MemorySink } from "../sources/memory-sink.js";

const CALLER: Caller = { sender: ":1.1", uid: () => 1000, signal: new AbortController().signal };

const event = (i: number, more: object = {}) => {
  return JSON.stringify({
    element_id: `interface:eth${i}`,
    element_type: "NetworkInterface",
    action: "modified",
    ...more,
  });
};

function callsInto(sink: EventSink, maxLineBytes = 2000) {
  const calls = new IngestCalls({ admit: createAdmitter(), sink, maxLineBytes });
  const { AddEvent, AddEvents } = calls.served().methods;
  assert.ok(AddEvent && AddEvents);
  return {
    calls,
    addEvent: async (json: string, caller = CALLER) => AddEvent.answer([json], caller),
    addEvents: async (events: string[]): Promise<AckLine[]> => {
      const [acks] = await AddEvents.answer([events], CALLER);
      return JSON.parse(acks as string) as AckLine[];
    },
  };
}

test("an event is by the user who called, unless it says by whom", async () => {
  await withLedger(async (ledger) => {
    const { addEvent } = callsInto(ledger.parts.sink);
    const [seq, hash] = await addEvent(event(0));
    assert.equal(seq, 0n);
    assert.match(String(hash), /^[0-9a-f]{64}$/);
    await addEvent(event(1, { actor: "admin" }));
    await addEvent(event(2), { ...CALLER, uid: async () => 0 });
    assert.deepEqual(
      ledger.events().map(({ actor, source }) => [actor, source]),
      [
        ["uid:1000", "dbus"],
        ["admin", "dbus"],
        ["uid:0", "dbus"],
      ],
    );
  });
});

test("a bad event is refused by the field that is wrong, and counted", async () => {
  const { addEvent, calls } = callsInto(new MemorySink());
  await assert.rejects(addEvent('{"element_id":"a","action":"modified"}'), {
    code: "missing-field",
    field: "element_type",
  });
  await assert.rejects(addEvent("no JSON"), { code: "not-json" });
  await assert.rejects(addEvent(event(1, { reason: "x".repeat(3000) })), { code: "line-too-long" });
  assert.deepEqual(calls.counts, { written: 0, duplicates: 0, refused: 3 });
});

test("events in one call get one ack each, in order, with the errors among them", async () => {
  await withLedger(async (ledger) => {
    const { addEvents, calls } = callsInto(ledger.parts.sink);
    const key = { idempotency_key: "once" };
    const acks = await addEvents([event(0, key), '{"element_id":"a"}', event(0, key), "rubbish", event(4)]);
    const seen = acks.map((ack) =>
      "seq" in ack ? [ack.line, ack.seq] : "error" in ack && [ack.line, ack.error.code, ack.error.field],
    );
    assert.deepEqual(seen, [
      [1, 0],
      [2, "missing-field", "element_type"],
      [3, 0],
      [4, "not-json", undefined],
      [5, 1],
    ]);
    assert.deepEqual(calls.counts, { written: 2, duplicates: 1, refused: 2 });
    assert.deepEqual(await addEvents([]), []);
  });
});

test("a CloudEvent is an event too; a batch of them is not one", async () => {
  await withLedger(async (ledger) => {
    const { addEvent } = callsInto(ledger.parts.sink);
    const cloudEvent = {
      ...{ specversion: "1.0", id: "1", source: "/switch", type: "org.example.port.opened", subject: "port:p1" },
      isochrontype: "OvsPort",
    };
    await addEvent(JSON.stringify(cloudEvent));
    assert.deepEqual(
      ledger.events().map(({ element, type, source }) => [element, type, source]),
      [["/switch#port:p1", "OvsPort", "dbus"]],
    );
    await assert.rejects(addEvent(JSON.stringify([cloudEvent])), { code: "not-an-object" });
  });
});

test("a thousand events of one call are all in the ledger, in their order", async () => {
  await withLedger(async (ledger) => {
    const { addEvents } = callsInto(ledger.parts.sink);
    const acks = await addEvents(Array.from({ length: 1000 }, (_, i) => event(i)));
    assert.deepEqual(
      acks.map((ack) => "seq" in ack && ack.seq),
      Array.from({ length: 1000 }, (_, i) => i),
    );
    assert.deepEqual(
      ledger.events().map(({ element }) => element),
      Array.from({ length: 1000 }, (_, i) => `interface:eth${i}`),
    );
  });
});

test("more events than one call may bring are refused before any is written", async () => {
  const sink = new MemorySink();
  await assert.rejects(callsInto(sink).addEvents(Array.from({ length: 10_001 }, (_, i) => event(i))), /at most 10000/);
  assert.equal(sink.events.length, 0);
});

test("while the ledger has no room calls wait, and none is lost or overtaken", async () => {
  const sink = new MemorySink();
  sink.fill();
  const { addEvent, addEvents } = callsInto(sink);
  const single = Array.from({ length: 50 }, (_, i) => addEvent(event(i)));
  const many = addEvents(Array.from({ length: 50 }, (_, i) => event(50 + i)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(sink.events.length, 0);
  sink.makeRoom();
  await until(() => sink.events.length === 100);
  const seqs = (await Promise.all(single)).map(([seq]) => Number(seq));
  const acks = await many;
  assert.deepEqual(
    [...seqs].sort((a, b) => a - b),
    seqs,
  );
  assert.equal(new Set([...seqs, ...acks.map((ack) => "seq" in ack && ack.seq)]).size, 100);
});

test("a ledger that fails is told to whoever waits for an ack", async () => {
  const sink = new MemorySink();
  sink.failure = Object.assign(new Error("the disk is full"), { code: "write-failed" });
  const { addEvent, addEvents } = callsInto(sink);
  await assert.rejects(addEvent(event(0)), { code: "write-failed" });
  const [ack] = await addEvents([event(0)]);
  assert.ok(ack && "error" in ack && ack.error.code === "write-failed");
});
