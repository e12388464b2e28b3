import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOvsChange } from "../../../../primary/sources/ovsdb/name-change.js";
import type { JsonObject } from "../../../../primary/sources/watch/element-change.js";

const CASES: [string, JsonObject, JsonObject, string][] = [
  ["OvsPort", {}, { name: "p" }, "created"],
  ["OvsPort", { name: "p" }, {}, "deleted"],
  ["OvsPort", { name: "p" }, { name: "p", tag: 1 }, "modified"],
  ["OvsInterface", { name: "p" }, { name: "p", link_state: "up" }, "link_up"],
  ["OvsInterface", { link_state: "down", mtu: 1 }, { link_state: "up", mtu: 2 }, "link_up"],
  ["OvsInterface", { link_state: "up" }, { link_state: "down" }, "link_down"],
  ["OvsInterface", { link_state: "up" }, { name: "p" }, "modified"],
  ["OvsInterface", { link_state: "up" }, { link_state: "down", error: "no device" }, "interface_error"],
  ["OvsInterface", { error: "no device" }, { error: "no permission" }, "interface_error"],
  ["OvsInterface", { error: "no device", mtu: 1 }, { error: "no device", mtu: 2 }, "modified"],
  ["OvsInterface", { error: "no device" }, { name: "p" }, "modified"],
  ["OvsInterface", { error: "no device" }, { link_state: "up" }, "link_up"],
  ["OvsInterface", {}, { name: "p", error: "no device" }, "interface_error"],
  ["OvsInterface", { name: "p", error: "no device" }, {}, "deleted"],
  ["OvsInterface", {}, { name: "p", link_state: "up" }, "created"],
  ["OvsBridge", { link_state: "up" }, { link_state: "down" }, "bridge_down"],
  ["OvsBridge", { name: "b" }, { link_state: "up" }, "bridge_up"],
];

for (const [type, before, after, action] of CASES) {
  test(`${type} ${JSON.stringify(before)} to ${JSON.stringify(after)} is ${action}`, () => {
    assert.equal(nameOvsChange(before, after, type), action);
  });
}
