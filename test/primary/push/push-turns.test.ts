import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { PushTurns } from "../../../primary/push/push-turns.js";

const HOUR_MS = 3_600_000;
const never = () => new Promise<never>(() => undefined);

describe("turns of pushes", () => {
  test("no more than so many run at a time, and each gets its turn in the order of asking", async () => {
    const turns = new PushTurns(2, HOUR_MS);
    const { signal } = new AbortController();
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const push = (n: number) => async () => {
      running += 1;
      most = Math.max(most, running);
      order.push(n);
      await turn();
      running -= 1;
    };
    await Promise.all([0, 1, 2, 3, 4, 5].map((n) => turns.run(push(n), signal)));
    assert.equal(most, 2);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    await turn();
    assert.deepEqual(turns.state, { taken: 0, waiting: 0 });
  });

  test("a push that does not end gives its turn back after a while, and does not give it back twice", async () => {
    const turns = new PushTurns(1, 1);
    const { signal } = new AbortController();
    // The turns' own timers keep no process alive.
    const alive = setInterval(() => undefined, 1000);
    let end: () => void = () => undefined;
    const hanging = turns.run(() => new Promise<void>((resolve) => (end = resolve)), signal);
    assert.equal(await turns.run(async () => "its turn", signal), "its turn");
    void turns.run(never, signal);
    end();
    await hanging;
    await turns.run(async () => undefined, signal);
    await turn();
    assert.equal(turns.state.taken, 0);
    clearInterval(alive);
  });

  test("what a push throws comes out, and its turn is given back", async () => {
    const turns = new PushTurns(1, HOUR_MS);
    const { signal } = new AbortController();
    await assert.rejects(
      turns.run(async () => {
        throw new Error("broken pipe");
      }, signal),
      /broken pipe/,
    );
    await turn();
    assert.equal(turns.state.taken, 0);
  });

  test("who is stopped while waiting leaves the line", async () => {
    const turns = new PushTurns(1, HOUR_MS);
    void turns.run(never, new AbortController().signal);
    const stop = new AbortController();
    const waiting = turns.run(async () => undefined, stop.signal);
    await turn();
    assert.equal(turns.state.waiting, 1);
    stop.abort(new Error("the primary stops"));
    await assert.rejects(waiting, /the primary stops/);
    assert.equal(turns.state.taken, 1);
  });
});
