import assert from "node:assert/strict";
import { test } from "node:test";
import { notifySystemd, statusLine, watchdogTimeMs } from "../../../shared/cli/notify-systemd.js";

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

test("a message that does not get through harms nothing, be it for the socket or for the program", async (t) => {
  const { NOTIFY_SOCKET, PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
    if (NOTIFY_SOCKET === undefined) delete process.env.NOTIFY_SOCKET;
    else process.env.NOTIFY_SOCKET = NOTIFY_SOCKET;
  });
  process.env.NOTIFY_SOCKET = "/nonexistent/notify";
  await notifySystemd("READY=1");
  process.env.PATH = "/nonexistent";
  await notifySystemd("READY=1");
});
