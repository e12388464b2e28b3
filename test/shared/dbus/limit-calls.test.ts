import assert from "node:assert/strict";
import { test } from "node:test";
import { CallRefused } from "../../../shared/dbus/call-refused.js";
import { CallLimits, measureArguments } from "../../../shared/dbus/limit-calls.js";

const refused = (error: unknown) => {
  assert.ok(error instanceof CallRefused);
  assert.equal(error.errorName, "org.freedesktop.DBus.Error.LimitsExceeded");
  return true;
};

test("one caller can fill its own share, and not that of another", () => {
  const limits = new CallLimits({ ofAll: { calls: 5, bytes: 1000 }, ofOne: { calls: 3, bytes: 1000 } });
  for (let i = 0; i < 3; i += 1) limits.enter(":1.1", 10);
  assert.throws(() => limits.enter(":1.1", 10), refused);
  limits.enter(":1.2", 10);
  limits.enter(":1.2", 10);
  assert.throws(() => limits.enter(":1.3", 10), refused);
  limits.leave(":1.1", 10);
  limits.enter(":1.3", 10);
  assert.equal(limits.outstanding, 5);
});

test("bytes are bounded too, but one call alone is never too large", () => {
  const limits = new CallLimits({ ofAll: { calls: 10, bytes: 150 }, ofOne: { calls: 10, bytes: 100 } });
  limits.enter(":1.1", 500);
  assert.throws(() => limits.enter(":1.1", 1), refused);
  limits.leave(":1.1", 500);
  limits.enter(":1.1", 60);
  limits.enter(":1.1", 40);
  assert.throws(() => limits.enter(":1.1", 1), refused);
  assert.throws(() => limits.enter(":1.2", 51), refused);
  limits.enter(":1.2", 50);
});

test("a refused call takes no place, and idle comes when the last answer is given", async () => {
  const limits = new CallLimits({ ofAll: { calls: 2, bytes: 100 }, ofOne: { calls: 1, bytes: 100 } });
  await limits.idle();
  limits.enter(":1.1", 1);
  for (let i = 0; i < 5; i += 1) assert.throws(() => limits.enter(":1.1", 1), refused);
  limits.enter(":1.2", 1);
  let isIdle = false;
  const idle = limits.idle().then(() => {
    isIdle = true;
  });
  limits.leave(":1.1", 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isIdle, false);
  limits.leave(":1.2", 1);
  await idle;
  assert.equal(limits.outstanding, 0);
});

test("what can be large in a call is measured, however deep it lies", () => {
  const large = "x".repeat(10_000);
  for (const body of [[large], [[large]], [{ key: { signature: "s", value: large } }], [Buffer.alloc(10_000)]]) {
    const bytes = measureArguments(body);
    assert.ok(bytes >= 10_000 && bytes < 10_200, `${bytes}`);
  }
});
