import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingEvents } from "../../../../../primary/sources/dbus/rule/waiting-events.js";
import type { ElementChange } from "../../../../../primary/sources/watch/element-change.js";
import { ElementWriter } from "../../../../../primary/sources/watch/element-writer.js";
import { withLedger } from "../../../../support/with-ledger.js";

const SOURCE = "dbus:things";
/** So long that nothing is written because of time. */
const WAIT_MS = 3_600_000;

function thing(name: number, text = ""): ElementChange {
  return { elementId: `thing:${name}`, elementType: "Thing", action: "happened", state: { text } };
}

async function withWaiting(add: (waiting: WaitingEvents, writer: ElementWriter) => void): Promise<string[]> {
  return withLedger(async (ledger) => {
    const writer = new ElementWriter({ ...ledger.parts, source: SOURCE });
    const waiting = new WaitingEvents(writer, WAIT_MS);
    add(waiting, writer);
    waiting.writeAll();
    await writer.stop();
    return ledger.events(SOURCE).map(({ element }) => element);
  });
}

test("each element's last event is written, in the order in which they last came", async () => {
  const written = await withWaiting((waiting, writer) => {
    for (const name of [1, 2, 3, 1]) waiting.add(thing(name));
    assert.equal(writer.state().queued, 0);
    assert.equal(writer.state().coalesced, 1);
  });
  assert.deepEqual(written, ["thing:2", "thing:3", "thing:1"]);
});

test("more elements than may wait are written at once", async () => {
  const written = await withWaiting((waiting, writer) => {
    for (let name = 0; name < 4096; name += 1) waiting.add(thing(name));
    assert.equal(writer.state().queued, 0);
    waiting.add(thing(4096));
    assert.equal(writer.state().queued, 4097);
  });
  assert.equal(written.length, 4097);
});

test("more bytes than may wait are written at once, and what was replaced does not count", async () => {
  const text = "x".repeat(1024 * 1024 - 1024);
  const written = await withWaiting((waiting, writer) => {
    for (let i = 0; i < 20; i += 1) waiting.add(thing(1, text));
    for (const name of [2, 3, 4]) waiting.add(thing(name, text));
    assert.equal(writer.state().queued, 0);
    waiting.add(thing(5, text));
    assert.equal(writer.state().queued, 5);
  });
  assert.equal(written.length, 5);
});
