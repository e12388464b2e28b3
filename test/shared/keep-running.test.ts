import assert from "node:assert/strict";
import { test } from "node:test";
import { keepRunning } from "../../shared/keep-running.js";

test("what fails is run again, later each time, until the signal fires", async () => {
  const stop = new AbortController();
  const ends: (string | undefined)[] = [];
  const delays: number[] = [];
  let runs = 0;
  await keepRunning(
    async () => {
      runs += 1;
      if (runs % 2 === 0) throw new Error(`run ${runs}`);
    },
    {
      signal: stop.signal,
      leastDelayMs: 1,
      mostDelayMs: 8,
      onEnd: (error, delayMs) => {
        ends.push(error?.message);
        delays.push(delayMs);
        if (runs === 8) stop.abort();
      },
    },
  );
  assert.deepEqual(ends, [undefined, "run 2", undefined, "run 4", undefined, "run 6", undefined, "run 8"]);
  for (const [i, least] of [1, 2, 4, 8, 8, 8, 8, 8].entries()) {
    const delay = delays[i] as number;
    assert.ok(delay >= least * 0.75 && delay <= least * 1.25, `${delay} is not about ${least}`);
  }
});

test("it ends with its body when the signal fires, and a failure on the way out is not told", async () => {
  const stop = new AbortController();
  let ended = false;
  const running = keepRunning(
    async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      ended = true;
      throw new Error("on the way out");
    },
    { signal: stop.signal, onEnd: () => assert.fail("told") },
  );
  stop.abort();
  await running;
  assert.ok(ended);
});

test("one that ran well for a while begins with the least delay again", async () => {
  const stop = new AbortController();
  const delays: number[] = [];
  await keepRunning(async () => undefined, {
    signal: stop.signal,
    leastDelayMs: 1,
    wellAfterMs: 0,
    onEnd: (_, delayMs) => {
      delays.push(delayMs);
      if (delays.length === 5) stop.abort();
    },
  });
  for (const delay of delays) assert.ok(delay <= 1.25);
});
