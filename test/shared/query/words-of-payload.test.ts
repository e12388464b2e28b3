import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalise, type JsonValue } from "../../../shared/format/canonical-json.js";
import { formatPayload } from "../../../shared/format/payload.js";
import { wordsOfPayload } from "../../../shared/query/words-of-payload.js";

const salt = "0".repeat(32);
const line = (state: JsonValue, reason?: string, idempotencyKey?: string) =>
  formatPayload({ stateJson: canonicalise(state), reason, idempotencyKey }, salt, 7);
const wordsIn = (text: string) => text.match(/[\p{L}\p{N}]+/gu) ?? [];

test("keys, strings and numbers of the state are words, the salt is not", () => {
  const { state, reason } = wordsOfPayload(line({ mtu: 1500, dns: ["one", { two: "three" }] }, "cable pulled"));
  assert.deepEqual(wordsIn(state), ["dns", "one", "two", "three", "mtu", "1500"]);
  assert.equal(reason, "cable pulled");
});

test("escaped text gives the same words as plain text", () => {
  const { state, reason } = wordsOfPayload(line({ log: 'first\nsecond "third"' }, "tab\there", "key 1"));
  assert.deepEqual(wordsIn(state), ["log", "first", "second", "third"]);
  assert.deepEqual(wordsIn(reason), ["tab", "here"]);
});

test("a state that looks like a payload is not taken for one", () => {
  const { state, reason } = wordsOfPayload(line({ reason: "inner", state_snapshot: { x: "y" } }));
  assert.equal(reason, "");
  assert.deepEqual(wordsIn(state), ["reason", "inner", "state", "snapshot", "x", "y"]);
});
