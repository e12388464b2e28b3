// When a seal stops waiting and holds the ledger, with vectors that come at a pace that the test sets.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type WaitedVectors, waitForVectors } from "../../../primary/seal/wait-for-vectors.js";

const LIMITS = { lookMs: 20, mostHeldMs: 100, mostMs: 60_000 };
const NEVER = new AbortController().signal;

/** Each look finds what the next step of `backlogs` says; the ledger gains `gained` events between two. */
class Pace implements WaitedVectors {
  readonly #backlogs: number[];
  readonly ledger = { size: 1000 };
  readonly #gained: number;
  looks = 0;
  constructor(backlogs: number[], gained = 0) {
    this.#backlogs = backlogs;
    this.#gained = gained;
  }
  backlog(): number {
    return this.#backlogs[Math.min(this.looks, this.#backlogs.length - 1)] as number;
  }
  drained(_uptoSeq: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      // The timers of signals keep no process alive.
      const alive = setTimeout(() => {}, 60_000);
      const end = () => {
        clearTimeout(alive);
        this.looks += 1;
        this.ledger.size += this.#gained;
        if (this.backlog() === 0) resolve();
        else reject(signal.reason);
      };
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }
  parts(hurry: AbortSignal = NEVER, signal: AbortSignal = NEVER) {
    return { ledger: this.ledger, vectors: this, hurry, signal };
  }
}

describe("the wait before the ledger is held", () => {
  test("ends when nothing is missing", async () => {
    const pace = new Pace([500, 0]);
    await waitForVectors(pace.parts(), LIMITS);
    assert.equal(pace.looks, 1);
  });

  test("goes on while what is missing would hold the ledger for long", async () => {
    // 100 in a look of 20 ms or more, so 400 need 80 ms or more, and 900 need 180.
    const pace = new Pace([1000, 900, 800, 700, 600, 500, 400, 300, 200, 100]);
    await waitForVectors(pace.parts(), LIMITS);
    assert.ok(pace.backlog() <= 500, `held with ${pace.backlog()} missing`);
    assert.ok(pace.backlog() > 0);
  });

  test("counts what was made, not by how much the backlog shrank: sources go on", async () => {
    // 1000 are made in a look while as many come: what is missing is made in a fraction of one.
    const pace = new Pace([100], 1000);
    await waitForVectors(pace.parts(), { ...LIMITS, mostHeldMs: 1000 });
    assert.equal(pace.looks, 1);
  });

  test("goes on where nothing is made at all, up to its end", async () => {
    const pace = new Pace([100]);
    await waitForVectors(pace.parts(), { ...LIMITS, mostMs: 2000 });
    // No more than there is time for, with timers that may be a millisecond early, and on a busy machine far fewer.
    assert.ok(pace.looks >= 2 && pace.looks <= 120, `${pace.looks} looks`);
  });

  test("ends at once for a critical event, and throws when the daemon stops", async () => {
    const pace = new Pace([100]);
    await waitForVectors(pace.parts(AbortSignal.abort()), LIMITS);
    assert.equal(pace.looks, 1);
    const reason = new Error("stop");
    await assert.rejects(waitForVectors(pace.parts(NEVER, AbortSignal.abort(reason)), LIMITS), reason);
  });
});
