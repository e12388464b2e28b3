import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppendedEvent } from "../../../primary/event.js";
import { PendingEvents } from "../../../primary/vectorize/pending-events.js";
import type { Priority } from "../../../shared/format/entry.js";
import { appendedEvent } from "../../support/appended-event.js";

/** An event whose state takes `bytes`. */
function event(seq: number, bytes: number, priority: Priority = "low"): AppendedEvent {
  return appendedEvent(seq, "x".repeat(bytes - 2), { priority });
}

const seqsOf = (events: AppendedEvent[]) => events.map(({ seq }) => seq);

test("events are held up to their number and up to the bytes of their states, high ones up to twice that, critical ones up to three times", () => {
  const byNumber = new PendingEvents({ events: 2, bytes: 1000 });
  assert.deepEqual(
    ["low", "low", "medium", "high", "high", "high", "critical", "critical", "critical"].map((priority, seq) =>
      byNumber.offer(event(seq, 10, priority as Priority)),
    ),
    [true, true, false, true, true, false, true, true, false],
  );
  const byBytes = new PendingEvents({ events: 100, bytes: 1000 });
  assert.deepEqual(
    [event(0, 600), event(1, 500), event(2, 400), event(3, 2000, "critical"), event(4, 10, "critical")].map((offered) =>
      byBytes.offer(offered),
    ),
    [true, false, true, true, false],
  );
});

test("characters of more than one byte count for their bytes", () => {
  const pending = new PendingEvents({ events: 100, bytes: 100 });
  assert.equal(pending.offer({ ...event(0, 10), stateJson: JSON.stringify("€".repeat(40)) }), false);
});

test("what was taken keeps its room until it is released", () => {
  const pending = new PendingEvents({ events: 2, bytes: 1000 });
  pending.offer(event(0, 100));
  pending.offer(event(1, 100));
  const taken = pending.take("low", { events: 10, bytes: 1000 });
  assert.equal(pending.mostUrgent(), undefined);
  assert.equal(pending.offer(event(2, 100)), false);
  pending.release(taken);
  assert.deepEqual(pending.held, { events: 0, bytes: 0 });
  assert.equal(pending.offer(event(3, 100)), true);
});

test("a job takes the oldest first, up to its number and its bytes, and one that is larger by itself", () => {
  const pending = new PendingEvents({ events: 100, bytes: 10_000 });
  for (const [seq, bytes] of [600, 300, 300, 2000, 10, 10, 10].entries()) pending.offer(event(seq, bytes));
  const most = { events: 2, bytes: 1000 };
  assert.deepEqual(seqsOf(pending.take("low", most).events), [0, 1]);
  assert.deepEqual(seqsOf(pending.take("low", most).events), [2]);
  assert.deepEqual(seqsOf(pending.take("low", most).events), [3]);
  assert.deepEqual(seqsOf(pending.take("low", most).events), [4, 5]);
});
