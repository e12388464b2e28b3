import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPayload, parsePayload, stateTextOf } from "../../../shared/format/payload.js";

const SALT = "00112233445566778899aabbccddeeff";

test("the state's text is found whatever stands before it and inside it", () => {
  const states = ['{"a":1}', "{}", "null", '"text"', '{"state_snapshot":{"state_snapshot":[1,2]}}'];
  const reasons = [undefined, "plain", 'x,"state_snapshot":{"fake":1}', "ends in a backslash \\"];
  for (const stateJson of states) {
    for (const reason of reasons) {
      const line = formatPayload(
        { reason, idempotencyKey: ',"state_snapshot":1', redacted: ["a.b"], stateJson },
        SALT,
        7,
      );
      assert.equal(stateTextOf(line), stateJson);
      assert.deepEqual(parsePayload(line).state_snapshot, JSON.parse(stateJson));
      assert.equal(parsePayload(line).reason, reason);
    }
  }
});

test("a line without a state is refused", () => {
  assert.throws(() => stateTextOf('{"salt":"00","seq":1}'), { code: "bad-payload" });
});
