// Interceptors in admission (requirement 3.5): their order, what they may change, how they refuse.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdmitError } from "../../../primary/admit/admit-error.js";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import type { EventDraft, Interceptor } from "../../../primary/event.js";
import type { JsonValue } from "../../../shared/format/canonical-json.js";

const context = { source: "test" };
const line = (fields: object) =>
  Buffer.from(JSON.stringify({ element_id: "interface:eth0", element_type: "If", action: "modified", ...fields }));

function admitWith(before: (draft: EventDraft) => void, fields: object = {}) {
  return createAdmitter({ interceptors: [{ name: "mine", before }] })(line(fields), context);
}

function refusalOf(work: () => unknown): AdmitError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof AdmitError, String(error));
    return error;
  }
  return assert.fail("it was admitted");
}

describe("interceptors", () => {
  test("run in their order behind redaction and priority, and see what those made of the event", () => {
    const seen: unknown[] = [];
    const look = (name: string): Interceptor => ({
      name,
      before: (draft) => seen.push([name, structuredClone(draft.state), draft.priority, draft.redacted]),
    });
    const admit = createAdmitter({ interceptors: [look("first"), look("second")] });
    admit(line({ action: "bridge_down", state_snapshot: { password: "hunter2" } }), context);
    const state = { password: "[redacted]" };
    assert.deepEqual(seen, [
      ["first", state, "high", ["state_snapshot.password"]],
      ["second", state, "high", ["state_snapshot.password"]],
    ]);
  });

  test("may change every part of the event, which is canonical afterwards", () => {
    const event = admitWith((draft) => {
      draft.elementId = "interface:eth9";
      draft.actor = "me";
      draft.priority = "critical";
      draft.reason = "because";
      draft.idempotencyKey = "k";
      draft.timestamp = "2026-11-20T11:05:00+01:00";
      draft.redacted = ["state_snapshot.x"];
      draft.state = { b: 1, a: { d: 1, c: 2 } };
    });
    assert.deepEqual(event, {
      elementId: "interface:eth9",
      elementType: "If",
      action: "modified",
      actor: "me",
      timestamp: "2026-11-20T10:05:00.000000Z",
      priority: "critical",
      source: "test",
      stateJson: '{"a":{"c":2,"d":1},"b":1}',
      reason: "because",
      idempotencyKey: "k",
      redacted: ["state_snapshot.x"],
    });
  });

  test("refuse an event by its field with an AdmitError", () => {
    const refused = refusalOf(() =>
      admitWith(() => {
        throw new AdmitError("empty", { field: "reason", reason: "it is missing", hint: "say why" });
      }),
    );
    assert.deepEqual([refused.code, refused.field, refused.hint], ["empty", "reason", "say why"]);
  });

  test("that fail otherwise refuse the event too, without a word of what it held", () => {
    const refused = refusalOf(() =>
      admitWith(
        (draft) => {
          throw new Error(`cannot read ${JSON.stringify(draft)}`);
        },
        { reason: "hunter2" },
      ),
    );
    assert.equal(refused.code, "interceptor-failed");
    assert.match(refused.reason, /the interceptor mine failed/);
    assert.ok(!JSON.stringify({ ...refused, message: refused.message, cause: undefined }).includes("hunter2"));
  });

  const unsound: [name: string, change: (draft: EventDraft) => void, code: string][] = [
    [
      "an empty element",
      (draft) => {
        draft.elementId = "";
      },
      "empty",
    ],
    [
      "an element of the ledger's",
      (draft) => {
        draft.elementId = "store:1";
      },
      "reserved",
    ],
    [
      "a long action",
      (draft) => {
        draft.action = "x".repeat(500);
      },
      "too-long",
    ],
    [
      "a time that is none",
      (draft) => {
        draft.timestamp = "soon";
      },
      "bad-timestamp",
    ],
    [
      "a priority that is none",
      (draft) => {
        draft.priority = "urgent" as never;
      },
      "bad-priority",
    ],
    [
      "a number that can't be kept",
      (draft) => {
        draft.state = 2 ** 60;
      },
      "interceptor-failed",
    ],
    [
      "half a surrogate pair",
      (draft) => {
        draft.state = { a: "\ud800" };
      },
      "interceptor-failed",
    ],
    [
      "what is no JSON",
      (draft) => {
        draft.state = undefined as unknown as JsonValue;
      },
      "interceptor-failed",
    ],
    [
      "a state that is too large",
      (draft) => {
        draft.state = "x".repeat(2 ** 20);
      },
      "payload-too-large",
    ],
  ];
  for (const [name, change, code] of unsound) {
    test(`can't get ${name} past admission`, () => assert.equal(refusalOf(() => admitWith(change)).code, code));
  }
});
