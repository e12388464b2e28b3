import assert from "node:assert/strict";
import { test } from "node:test";
import { statusLine, watchdogTimeMs } from "../../../shared/cli/notify-systemd.js";

const SOCKET = { NOTIFY_SOCKET: "/run/systemd/notify" };

test("signs of life are wanted of the process that systemd means, and of no other", () => {
  const wanted = (env: NodeJS.ProcessEnv) => watchdogTimeMs(env, 17);
  assert.equal(wanted({ ...SOCKET, WATCHDOG_USEC: "2000000" }), 2000);
  assert.equal(wanted({ ...SOCKET, WATCHDOG_USEC: "2000000", WATCHDOG_PID: "17" }), 2000);
  assert.equal(wanted({ ...SOCKET, WATCHDOG_USEC: "2000000", WATCHDOG_PID: "18" }), undefined);
  assert.equal(wanted({ ...SOCKET }), undefined);
  assert.equal(wanted({ WATCHDOG_USEC: "2000000" }), undefined);
  for (const bad of ["0", "", "-1", "2s", "99999999999999999"])
    assert.equal(wanted({ ...SOCKET, WATCHDOG_USEC: bad }), undefined, bad);
});

test("a status of several lines stays one assignment", () => {
  assert.equal(statusLine("3 entries\nWATCHDOG=trigger"), "STATUS=3 entries WATCHDOG=trigger");
});
