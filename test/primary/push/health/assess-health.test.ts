import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  assessHealth,
  healthOfFailure,
  LINK_HEALTH,
  type LinkFacts,
} from "../../../../primary/push/health/assess-health.js";
import { PushError, type PushErrorCode } from "../../../../primary/push/push-error.js";
import { REFUSALS } from "../../../../shared/protocol/protocol.js";

const WELL: LinkFacts = {
  doing: "acked generation 4",
  heardFrom: true,
  failure: undefined,
  paused: undefined,
  needsFull: undefined,
  lacksRoom: undefined,
  behindSinceMs: undefined,
  nowMs: 1_000_000,
  lagMs: 60_000,
  overload: undefined,
};

describe("health of a link", () => {
  test("is healthy, with what it did last", () => {
    assert.deepEqual(assessHealth(WELL), {
      health: "healthy",
      reason: "acked generation 4",
      code: undefined,
      hint: undefined,
    });
  });

  test("is connecting until the replica has answered once", () => {
    assert.equal(assessHealth({ ...WELL, heardFrom: false }).health, "connecting");
  });

  test("is lagging once a generation has not been acked for too long, and says since when", () => {
    const behind = { ...WELL, behindSinceMs: WELL.nowMs - 59_999 };
    assert.equal(assessHealth(behind).health, "healthy");
    const { health, code, reason } = assessHealth({ ...behind, nowMs: behind.nowMs + 1 });
    assert.deepEqual([health, code], ["lagging", "lagging"]);
    assert.match(reason, /^behind since 1970-01-01T00:15:40Z; acked generation 4$/);
  });

  test("is lagging under overload, with the load", () => {
    const { health, code, reason } = assessHealth({ ...WELL, overload: 21.25 });
    assert.deepEqual([health, code], ["lagging", "overloaded"]);
    assert.match(reason, /21\.3 per core/);
  });

  test("an operator's pause stands before everything else, then what failed, then what is foreseen", () => {
    const failure = new PushError("retryable", "unreachable", "nobody there", { hint: "look" });
    const needsFull = { reason: "too old", hint: "wait" };
    const all: LinkFacts = { ...WELL, paused: "maintenance", failure, needsFull, lacksRoom: "1 MiB" };
    assert.deepEqual(assessHealth(all).health, "paused");
    assert.deepEqual(assessHealth({ ...all, paused: undefined, needsFull: undefined }), {
      health: "unreachable",
      reason: "nobody there",
      code: "unreachable",
      hint: "look",
    });
    const unfailed = { ...all, paused: undefined, failure: undefined };
    assert.equal(assessHealth(unfailed).health, "needs-full");
    assert.equal(assessHealth({ ...unfailed, needsFull: undefined }).health, "full");
  });

  test("a replica that needs all is told so while it cannot be reached, and before it was heard from", () => {
    const needsFull = { reason: "its base was let go", hint: "wait" };
    const failure = new PushError("retryable", "unreachable", "nobody there");
    assert.deepEqual(assessHealth({ ...WELL, heardFrom: false, needsFull, failure }), {
      health: "needs-full",
      reason: "its base was let go; nobody there",
      code: "needs-full",
      hint: "wait",
    });
    assert.equal(assessHealth({ ...WELL, heardFrom: false, needsFull }).reason, "its base was let go");
    // What an operator must mend first stands before it.
    const login = new PushError("conflict", "login", "refused", { hint: "the key" });
    assert.equal(assessHealth({ ...WELL, needsFull, failure: login }).hint, "the key");
    const foreign = new PushError("conflict", "foreign-store", "another store");
    assert.equal(assessHealth({ ...WELL, needsFull, failure: foreign }).health, "foreign");
  });

  for (const [code, health] of [
    ["unreachable", "unreachable"],
    ["stalled", "unreachable"],
    ["login", "unreachable"],
    ["host-key", "foreign"],
    ["foreign-store", "foreign"],
    ["untrusted-origin", "foreign"],
    ["protocol-mismatch", "version-mismatch"],
    ["regressed", "diverged"],
    ["diverged", "diverged"],
    ["not-verified", "diverged"],
    ["newer-format", "version-mismatch"],
    ["bad-ack", "diverged"],
    ["no-space", "full"],
    ["needs-full", "needs-full"],
    ["busy", "lagging"],
  ] as [PushErrorCode, string][]) {
    test(`${code} makes it ${health}`, () => {
      assert.equal(healthOfFailure(new PushError("retryable", code, "why")), health);
    });
  }

  test("every refusal of the protocol has a health", () => {
    for (const code of Object.keys(REFUSALS) as PushErrorCode[]) {
      assert.ok(LINK_HEALTH.includes(healthOfFailure(new PushError("conflict", code, "why"))), code);
    }
  });

  test("a refusal of a later version's code is told apart by whether it passes by itself", () => {
    const later = "of-tomorrow" as PushErrorCode;
    assert.equal(healthOfFailure(new PushError("conflict", later, "why")), "version-mismatch");
    assert.equal(healthOfFailure(new PushError("retryable", later, "why")), "lagging");
  });
});
