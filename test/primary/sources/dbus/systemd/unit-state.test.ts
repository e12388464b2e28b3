import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Activity,
  actionOf,
  activityOf,
  nameUnitChange,
  settle,
  unitState,
} from "../../../../../primary/sources/dbus/systemd/unit-state.js";
import type { JsonObject } from "../../../../../primary/sources/watch/element-change.js";

const RUNNING: Activity = { active: "active", sub: "running" };
const EXITED: Activity = { active: "active", sub: "exited" };
const DEAD: Activity = { active: "inactive", sub: "dead" };
const FAILED: Activity = { active: "failed", sub: "failed" };
const STARTING: Activity = { active: "activating", sub: "start" };
const RETRYING: Activity = { active: "activating", sub: "auto-restart" };
const STOPPING: Activity = { active: "deactivating", sub: "stop-sigterm" };
const RELOADING: Activity = { active: "reloading", sub: "reload" };

const file = { fileState: "enabled" };
const recorded = (activity: Activity): JsonObject => unitState("a.service", activity, file);

test("each step of a unit has one name, or none", () => {
  const steps: [was: JsonObject, seen: Activity | undefined, now: Activity, action: string | undefined][] = [
    [recorded(DEAD), DEAD, STARTING, undefined],
    [recorded(DEAD), STARTING, RUNNING, "started"],
    [{}, undefined, RUNNING, "started"],
    [recorded(RUNNING), STARTING, RUNNING, undefined],
    [recorded(RUNNING), RUNNING, EXITED, "exited"],
    [recorded(RUNNING), RUNNING, RELOADING, undefined],
    [recorded(RUNNING), RELOADING, RUNNING, "reloaded"],
    [recorded(RUNNING), RUNNING, STOPPING, "stopping"],
    [recorded(DEAD), STARTING, STOPPING, undefined],
    [recorded(STOPPING), STOPPING, DEAD, "stopped"],
    [recorded(RUNNING), RUNNING, DEAD, "stopped"],
    [recorded(DEAD), STARTING, DEAD, undefined],
    [{}, STARTING, DEAD, undefined],
    [recorded(STOPPING), STOPPING, FAILED, "failed"],
    [recorded(FAILED), STARTING, FAILED, "failed"],
    [recorded(FAILED), FAILED, RETRYING, undefined],
    [recorded(RUNNING), RUNNING, RETRYING, "stopped"],
    [recorded(FAILED), RETRYING, DEAD, "cleared"],
    [recorded(RETRYING), RETRYING, DEAD, "cleared"],
  ];
  for (const [was, seen, now, action] of steps) {
    assert.equal(actionOf(was, seen, now), action, JSON.stringify({ was, seen, now }));
  }
});

test("a difference that a snapshot finds is named by where it led, before by what became of the file", () => {
  const masked = unitState("a.service", DEAD, { fileState: "masked" });
  const runtime = unitState("a.service", DEAD, { fileState: "enabled-runtime" });
  const differences: [before: JsonObject, after: JsonObject, action: string][] = [
    [recorded(RUNNING), recorded(DEAD), "stopped"],
    [recorded(DEAD), recorded(RUNNING), "started"],
    [recorded(RUNNING), recorded(FAILED), "failed"],
    [recorded(FAILED), recorded(DEAD), "cleared"],
    [recorded(RUNNING), recorded(STOPPING), "stopping"],
    [recorded(RUNNING), recorded(EXITED), "exited"],
    [recorded(RUNNING), masked, "stopped"],
    [recorded(DEAD), masked, "masked"],
    [masked, recorded(DEAD), "unmasked"],
    [masked, runtime, "unmasked"],
    [unitState("a.service", DEAD, { fileState: "static" }), runtime, "enabled"],
    [recorded(DEAD), unitState("a.service", DEAD, { fileState: "disabled" }), "disabled"],
    [recorded(DEAD), { ...recorded(DEAD), description: "new" }, "changed"],
    [recorded(RUNNING), {}, "removed"],
    [unitState("a.mount", { active: "active", sub: "" }, {}), {}, "stopped"],
    [unitState("a@1.service", FAILED, {}), {}, "cleared"],
    [{}, recorded(DEAD), "added"],
    [{}, recorded(RUNNING), "started"],
    [{}, recorded(FAILED), "failed"],
    [{}, unitState("a@.service", DEAD, file), "added"],
  ];
  for (const [before, after, action] of differences) {
    assert.equal(nameUnitChange(before, after, "SystemdUnit"), action, JSON.stringify({ before, after }));
  }
});

test("a snapshot leaves a unit on its way where it was, unless it is on its way down", () => {
  assert.deepEqual(settle(STARTING, recorded(DEAD)), DEAD);
  assert.deepEqual(settle(STARTING, recorded(FAILED)), FAILED);
  assert.deepEqual(settle(STARTING, undefined), STARTING);
  assert.deepEqual(settle(RETRYING, recorded(FAILED)), FAILED);
  assert.deepEqual(settle(RETRYING, recorded(RUNNING)), RETRYING);
  assert.deepEqual(settle(RELOADING, recorded(EXITED)), EXITED);
  assert.deepEqual(settle(RELOADING, recorded(DEAD)), RUNNING);
  assert.deepEqual(settle(STOPPING, recorded(RUNNING)), STOPPING);
  assert.deepEqual(settle({ ...STOPPING, sub: "stop-sigkill" }, recorded(STOPPING)), STOPPING);
  assert.deepEqual(settle(STOPPING, recorded(FAILED)), FAILED);
  assert.deepEqual(settle(FAILED, recorded(RUNNING)), FAILED);
});

test("the state holds what stays: no sub-state that follows use, no result of a success, nothing of what is gone", () => {
  assert.deepEqual(activityOf("a.timer", "active", "running"), { active: "active", sub: "" });
  assert.deepEqual(activityOf("a.service", "active", "running"), RUNNING);
  assert.deepEqual(unitState("a.service", FAILED, file, "success"), recorded(FAILED));
  assert.deepEqual(unitState("a.service", FAILED, {}, "timeout"), {
    ...{ active_state: "failed", sub_state: "failed", result: "timeout" },
  });
  assert.deepEqual(unitState("a.service", DEAD, {}), {});
  assert.deepEqual(unitState("a@.service", DEAD, file), { unit_file_state: "enabled" });
});
