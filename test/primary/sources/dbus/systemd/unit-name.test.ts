import assert from "node:assert/strict";
import { test } from "node:test";
import { systemdOptions } from "../../../../../primary/sources/dbus/systemd/options.js";
import {
  createUnitFilter,
  isTemplate,
  unitOfPath,
  unitType,
} from "../../../../../primary/sources/dbus/systemd/unit-name.js";

test("a unit's name is read from the path of its object, and from no other path", () => {
  const units = "/org/freedesktop/systemd1/unit/";
  assert.equal(unitOfPath(`${units}nginx_2eservice`), "nginx.service");
  assert.equal(unitOfPath(`${units}getty_40tty1_2eservice`), "getty@tty1.service");
  assert.equal(unitOfPath(`${units}srv_2da_5cx2db_2emount`), "srv-a\\x2db.mount");
  assert.equal(unitOfPath(`${units}_2d_2emount`), "-.mount");
  assert.equal(unitOfPath("/org/freedesktop/systemd1/job/1"), undefined);
  assert.equal(unitOfPath("/org/freedesktop/systemd1"), undefined);
});

test("by default services, sockets, timers, paths, mounts and swaps are recorded, and not what comes and goes", () => {
  const { enabled, units, ignore } = systemdOptions.parse({});
  assert.equal(enabled, true);
  const isRecorded = createUnitFilter(units, ignore);
  const recorded = ["nginx.service", "getty@tty1.service", "ssh.socket", "apt-daily.timer", "-.mount", "a\\x2db.swap"];
  for (const name of [...recorded, "cups.path", ".hidden.mount"]) assert.ok(isRecorded(name), name);
  const others = ["sda.device", "session-1.scope", "user.slice", "multi-user.target", "run-u1.service", "x.servicex"];
  const noise = [
    "run-credentials-systemd\\x2dsysctl.service.mount",
    "run-docker-netns-1.mount",
    "var-lib-docker-overlay2-1-merged.mount",
    "user@1000.service",
    "user-runtime-dir@1000.service",
  ];
  for (const name of [...others, ...noise]) assert.ok(!isRecorded(name), name);
});

test("globs of the configuration are taken as names are written, backslashes too", () => {
  const isRecorded = createUnitFilter(["srv-a\\x2d*.mount", "web@*.service"], []);
  assert.ok(isRecorded("srv-a\\x2db.mount"));
  assert.ok(!isRecorded("srv-ax2db.mount"));
  assert.ok(isRecorded("web@1.service"));
  assert.ok(!systemdOptions.safeParse({ units: [] }).success);
  assert.ok(!systemdOptions.safeParse({ units: [""] }).success);
});

test("types and templates are told by the name", () => {
  assert.equal(unitType("a.b.service"), "service");
  assert.ok(isTemplate("getty@.service"));
  assert.ok(!isTemplate("getty@tty1.service"));
});
