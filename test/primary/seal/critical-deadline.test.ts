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

describe("the deadline of a critical event", () => {
  test("passes so long after it came, whatever became of others since", (t) => {
    const deadline = make(t);
    const { passed } = deadline;
    deadline.came();
    t.mock.timers.tick(30);
    deadline.appended([event(7), event(8, "low")]);
    deadline.settled();
    deadline.came();
    t.mock.timers.tick(19);
    assert.equal(passed.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(passed.aborted, true);
  });

  test("passes for an event that cannot get into the ledger while a seal holds it", (t) => {
    const deadline = make(t);
    const { passed } = deadline;
    deadline.came();
    t.mock.timers.tick(50);
    assert.equal(passed.aborted, true);
  });

  test("is over once its generation stands; the next seal has its own", (t) => {
    const deadline = make(t);
    deadline.came();
    deadline.appended([event(7)]);
    deadline.settled();
    t.mock.timers.tick(50);
    assert.equal(deadline.passed.aborted, true);
    deadline.sealed(9);
    const { passed } = deadline;
    t.mock.timers.tick(1000);
    assert.equal(passed.aborted, false);
    deadline.came();
    deadline.appended([event(10)]);
    t.mock.timers.tick(50);
    assert.equal(passed.aborted, true);
  });

  test("goes on for an event that came while the generation was made", (t) => {
    const deadline = make(t);
    deadline.came();
    deadline.appended([event(7)]);
    deadline.settled();
    t.mock.timers.tick(40);
    deadline.came();
    deadline.appended([event(9)]);
    deadline.settled();
    deadline.sealed(9);
    const { passed } = deadline;
    t.mock.timers.tick(49);
    assert.equal(passed.aborted, false);
    t.mock.timers.tick(1);
    assert.equal(passed.aborted, true);
  });

  test("does not pass for one that was refused, nor for events of other priorities", (t) => {
    const deadline = make(t);
    const { passed } = deadline;
    deadline.came();
    deadline.settled();
    deadline.appended([event(1, "high"), event(2, "low")]);
    t.mock.timers.tick(1000);
    assert.equal(passed.aborted, false);
  });

  test("of 0 never passes", (t) => {
    const deadline = make(t, 0);
    const { passed } = deadline;
    deadline.came();
    deadline.appended([event(1)]);
    t.mock.timers.tick(100_000);
    assert.equal(passed.aborted, false);
  });
});
