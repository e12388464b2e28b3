import assert from "node:assert/strict";
import { test } from "node:test";
import { CallRefused, describeFailure } from "../../../shared/dbus/call-refused.js";
import { QueryError } from "../../../shared/query/query-error.js";

test("an error of ours becomes an error of the bus, with its message and its way out", () => {
  const error = new QueryError("bad-parameter", 'limit is "0"', { hint: "give 1 to 1000" });
  assert.deepEqual(describeFailure(error), {
    name: "dev.isochron.Error.BadParameter",
    text: 'limit is "0" (hint: give 1 to 1000)',
    isFault: false,
  });
  assert.deepEqual(describeFailure(new CallRefused("UnknownMethod", "there is none")), {
    name: "org.freedesktop.DBus.Error.UnknownMethod",
    text: "there is none",
    isFault: false,
  });
});

test("what is no refusal of ours is a fault, and callers learn nothing of it", () => {
  const ofTheSystem = Object.assign(new Error("ENOENT: /root/secret"), { code: "ENOENT" });
  for (const error of [new TypeError("x is not a function"), ofTheSystem, "thrown text", null, undefined]) {
    const { name, text, isFault } = describeFailure(error);
    assert.equal(name, "dev.isochron.Error.Failed");
    assert.equal(isFault, true);
    assert.doesNotMatch(text, /secret|function|thrown/);
  }
});

test("a text that the bus could not carry is made one that it can", () => {
  const { text } = describeFailure(new CallRefused("InvalidArgs", `a\0b\ud800${"x".repeat(10_000)}`));
  assert.ok(text.startsWith("a\\0b\ufffdxxx"));
  assert.ok(text.length < 5000 && text.isWellFormed());
});
