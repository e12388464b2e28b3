import assert from "node:assert/strict";
import { test } from "node:test";
import { AppliedSignal } from "../../../shared/dbus/applied-signal.js";

test("the first event is told at once, a burst after it by its highest number, and no number twice", async () => {
  const told: number[] = [];
  let tell: (() => void) | undefined;
  const applied = new AppliedSignal((seq) => {
    told.push(seq);
    tell?.();
  });
  applied.note(0);
  assert.deepEqual(told, [0]);
  const next = new Promise<void>((resolve) => {
    tell = resolve;
  });
  for (const seq of [1, 2, 9, 5, 9]) applied.note(seq);
  assert.deepEqual(told, [0]);
  await next;
  assert.deepEqual(told, [0, 9]);
  applied.note(9);
  applied.note(3);
  applied.stop();
  assert.deepEqual(told, [0, 9]);
});
