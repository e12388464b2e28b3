import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { CriticalDeadline } from "../../../primary/seal/critical-deadline.js";
import type { Priority } from "../../../shared/format/entry.js";

/** A deadline of 50 ms on a clock that the test moves. */
function make(t: TestContext, deadlineMs = 50): CriticalDeadline {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  return new CriticalDeadline(deadlineMs, () => Date.now());
}

const event = (seq: number, priority: Priority = "critical") => ({ seq, entry: { priority } });

/** A critical event all the way into the ledger. */
function append(deadline: CriticalDeadline, seq: number): void {
  deadline.came();
  deadline.appended([event(seq)]);
  deadline.settled();
}

describe("the deadline of a seal with a critical event", () => {
  test("passes so long after the seal began, however long ago the event came", (t) => {
    const deadline = make(t);
    append(deadline, 7);
    t.mock.timers.tick(10_000);
    const passed = deadline.begin();
    t.mock.timers.tick(49);
    assert.equal(passed.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(passed.aborted, true);
  });

  test("passes so long after an event came while the seal was waiting already, whatever came after it", (t) => {
    const deadline = make(t);
    const passed = deadline.begin();
    t.mock.timers.tick(1000);
    append(deadline, 7);
    t.mock.timers.tick(30);
    append(deadline, 8);
    t.mock.timers.tick(19);
    assert.equal(passed.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(passed.aborted, true);
  });

  test("passes for an event that cannot get into the ledger while the seal holds it", (t) => {
    const deadline = make(t);
    const passed = deadline.begin();
    deadline.came();
    t.mock.timers.tick(50);
    assert.equal(passed.aborted, true);
  });

  test("is over once its generation stands; a seal of other events has none", (t) => {
    const deadline = make(t);
    append(deadline, 7);
    deadline.begin();
    deadline.sealed(9);
    const passed = deadline.begin();
    deadline.appended([event(10, "high"), event(11, "low")]);
    t.mock.timers.tick(1000);
    assert.equal(passed.aborted, false);
  });

  test("is the next seal's where the event came too late for this one, and each try's of a seal that fails", (t) => {
    const deadline = make(t);
    deadline.begin();
    append(deadline, 9);
    deadline.sealed(9);
    for (let tries = 0; tries < 2; tries += 1) {
      const passed = deadline.begin();
      t.mock.timers.tick(49);
      assert.equal(passed.aborted, false);
      t.mock.timers.tick(1);
      assert.equal(passed.aborted, true);
    }
  });

  test("does not pass for an event that was refused", (t) => {
    const deadline = make(t);
    const passed = deadline.begin();
    deadline.came();
    deadline.settled();
    t.mock.timers.tick(1000);
    assert.equal(passed.aborted, false);
    append(deadline, 3);
    t.mock.timers.tick(50);
    assert.equal(passed.aborted, true);
  });

  test("of 0 never passes", (t) => {
    const deadline = make(t, 0);
    append(deadline, 1);
    const passed = deadline.begin();
    t.mock.timers.tick(100_000);
    assert.equal(passed.aborted, false);
  });
});
