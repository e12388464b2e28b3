import assert from "node:assert/strict";
import { test } from "node:test";
import { CallerUsers } from "../../../shared/dbus/caller-users.js";

test("the bus is asked once for each caller, and again for one that has left", async () => {
  const asked: string[] = [];
  const users = new CallerUsers(async (sender) => asked.push(sender) + 1000);
  const first = users.of(":1.1");
  assert.ok(first instanceof Promise);
  assert.equal(users.of(":1.1"), first);
  assert.equal(await first, 1001);
  assert.equal(users.of(":1.1"), 1001);
  users.forget(":1.1");
  assert.equal(await users.of(":1.1"), 1002);
  assert.deepEqual(asked, [":1.1", ":1.1"]);
});

test("an answer that failed is not kept", async () => {
  let isThere = false;
  const users = new CallerUsers(async () => {
    if (!isThere) throw new Error("has left");
    return 7;
  });
  await assert.rejects(async () => users.of(":1.1"), /has left/);
  isThere = true;
  assert.equal(await users.of(":1.1"), 7);
});

test("callers without number take no memory without bound", async () => {
  let asked = 0;
  const users = new CallerUsers(async () => asked++);
  for (let i = 0; i < 3000; i += 1) await users.of(`:1.${i}`);
  assert.equal(asked, 3000);
  await users.of(":1.2999");
  assert.equal(asked, 3000, "the newest is remembered");
  await users.of(":1.0");
  assert.equal(asked, 3001, "the oldest is not");
});
