import assert from "node:assert/strict";
import { test } from "node:test";
import { adviseOnUser, findUser } from "../../../shared/config/find-user.js";

test("a user of the host is found with its numbers", async () => {
  assert.deepEqual(await findUser("query.user", "nobody"), { name: "nobody", uid: 65_534, gid: 65_534 });
});

test("an unknown user, a number and root are refused with the option, the value and the way out", async () => {
  await assert.rejects(findUser("query.user", "no-such-user"), {
    code: "bad-option",
    message: 'query.user is "no-such-user", and this host has no such user',
    hint: /useradd --system .* no-such-user/,
  });
  // getent takes a number for an id, and knows it.
  await assert.rejects(findUser("query.user", "65534"), /no such user/);
  await assert.rejects(findUser("query.user", "root"), /which is root/);
});

test("the advice is one line for a user that is missing, and none for one that is there or not asked for", async () => {
  assert.deepEqual(await adviseOnUser("query.user", undefined), []);
  assert.deepEqual(await adviseOnUser("query.user", "nobody"), []);
  const [line, ...more] = await adviseOnUser("query.user", "no-such-user");
  assert.match(line ?? "", /will not start here: query\.user is "no-such-user".*useradd/);
  assert.deepEqual(more, []);
});
