import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { joinSignals } from "../../shared/join-signals.js";

const NEVER = new AbortController().signal;
const untilAborted = (signal: AbortSignal) => sleep(60_000, undefined, { signal, ref: true });

describe("joined signals", () => {
  test("abort with the first of them, for its reason", async () => {
    const one = new AbortController();
    const working = joinSignals({ signals: [NEVER, one.signal], withinMs: 60_000 }, (joined) =>
      untilAborted(joined).catch(() => joined.reason),
    );
    one.abort(new Error("that one"));
    assert.match(String(await working), /that one/);
    const late = await joinSignals({ signals: [one.signal] }, async (joined) => joined.aborted && joined.reason);
    assert.match(String(late), /that one/);
  });

  test("abort when the time is over, as a time that is over does", async () => {
    const reason = await joinSignals({ signals: [NEVER], withinMs: 1 }, (joined) =>
      untilAborted(joined).catch(() => joined.reason),
    );
    assert.equal(reason.name, "TimeoutError");
  });

  test("leave nothing on a signal that lives on, however the work ends", async () => {
    const lasting = new AbortController().signal;
    const during = await joinSignals({ signals: [lasting] }, async () => getEventListeners(lasting, "abort").length);
    const failing = joinSignals({ signals: [lasting], withinMs: 60_000 }, () => Promise.reject(new Error("failed")));
    await assert.rejects(failing, /failed/);
    assert.deepEqual([during, getEventListeners(lasting, "abort").length], [1, 0]);
  });
});
