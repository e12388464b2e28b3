// Priorities by rule (requirement 3.5): the event's own, then the operator's rules, then by action, then the built-in ones.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAdmitter } from "../../../primary/admit/admit-event.js";
import type { PriorityOptions } from "../../../primary/admit/set-priority.js";

function priorityOf(options: PriorityOptions, fields: object, source = "socket"): string {
  const event = { element_id: "interface:eth0", element_type: "NetworkInterface", action: "modified", ...fields };
  return createAdmitter({ priority: options })(Buffer.from(JSON.stringify(event)), { source }).priority;
}

describe("priority", () => {
  const builtIn: [fields: object, priority: string][] = [
    [{ action: "security_breach" }, "critical"],
    [{ action: "system_failure" }, "critical"],
    [{ action: "bridge_down" }, "high"],
    [{ action: "interface_error" }, "high"],
    [{ action: "config_changed" }, "medium"],
    [{ action: "failed", element_type: "SystemdUnit" }, "high"],
    [{ action: "gap", element_type: "Source" }, "medium"],
    [{ action: "loss", element_type: "Source" }, "medium"],
    [{ action: "deleted", element_type: "OvsBridge" }, "high"],
    [{ action: "deleted", element_type: "OvsPort" }, "low"],
    [{ action: "panic_enabled", element_type: "Firewall" }, "high"],
    [{ action: "panic_enabled", element_type: "Ship" }, "low"],
    [{ action: "stopped", element_type: "Firewall" }, "high"],
    [{ action: "shutdown_prepared", element_type: "Host" }, "critical"],
    [{ action: "sleep", element_type: "Host" }, "critical"],
    [{ action: "sleep", element_type: "Cat" }, "low"],
    [{ action: "created", element_type: "File" }, "medium"],
    [{ action: "modified", element_type: "File" }, "medium"],
    [{ action: "deleted", element_type: "File" }, "medium"],
    [{ action: "modified" }, "low"],
    [{ action: "toString" }, "low"],
    [{ action: "__proto__" }, "low"],
    [{ action: "security_breach", priority: "low" }, "low"],
  ];
  for (const [fields, priority] of builtIn) {
    test(`of ${JSON.stringify(fields)} is ${priority} without any configuration`, () => {
      assert.equal(priorityOf({}, fields), priority);
    });
  }

  test("is what the first matching rule says, ahead of the list by action, ahead of the built-in rules", () => {
    const options: PriorityOptions = {
      rules: [
        { action: "bridge_*", element: "bridge:lab*", priority: "low" },
        { action: "bridge_*", priority: "critical" },
      ],
      byAction: { bridge_down: "medium", config_changed: "high" },
    };
    const bridge = (element_id: string) => priorityOf(options, { action: "bridge_down", element_id });
    assert.equal(bridge("bridge:lab1"), "low");
    assert.equal(bridge("bridge:vmbr0"), "critical");
    assert.equal(priorityOf(options, { action: "config_changed" }), "high");
    assert.equal(priorityOf(options, { action: "interface_error" }), "high");
    assert.equal(priorityOf(options, { action: "bridge_down", priority: "medium" }), "medium");
  });

  test("follows a rule only where all its conditions hold", () => {
    const rule = {
      action: "mod*",
      type: "Net*",
      element: "*:eth*",
      source: "dbus:*",
      field: "up",
      value: false,
    } as const;
    const options: PriorityOptions = { rules: [{ ...rule, priority: "high" }] };
    const state_snapshot = { up: false };
    assert.equal(priorityOf(options, { state_snapshot }, "dbus:NetworkManager"), "high");
    const others: [object, string][] = [
      [{ state_snapshot, action: "removed" }, "dbus:NetworkManager"],
      [{ state_snapshot, element_type: "Disk" }, "dbus:NetworkManager"],
      [{ state_snapshot, element_id: "interface:wlan0" }, "dbus:NetworkManager"],
      [{ state_snapshot }, "socket"],
      [{ state_snapshot: { up: true } }, "dbus:NetworkManager"],
      [{}, "dbus:NetworkManager"],
    ];
    for (const [fields, source] of others) assert.equal(priorityOf(options, fields, source), "low");
  });

  test("finds a field by its dotted path, also in arrays, and compares it as JSON has it", () => {
    const at = (field: string, state_snapshot: unknown, value?: string | number | boolean) =>
      priorityOf({ rules: [{ field, value, priority: "high" }] }, { state_snapshot }) === "high";
    assert.ok(at("a.b.c", { a: { b: { c: 0 } } }));
    assert.ok(at("ports.1.name", { ports: [{}, { name: "eth1" }] }, "eth1"));
    assert.ok(at("a", { a: null }));
    assert.ok(at("n", { n: 5 }, 5));
    assert.ok(!at("n", { n: "5" }, 5));
    assert.ok(!at("a.b", { a: "b" }));
    assert.ok(!at("ports.length", { ports: [1] }));
    assert.ok(!at("ports.9", { ports: [1] }));
    assert.ok(!at("toString", {}));
    assert.ok(!at("a", "text"));
  });

  test("can't be learnt from a secret: rules see it replaced", () => {
    const rules = [{ field: "password", value: "hunter2", priority: "critical" } as const];
    assert.equal(priorityOf({ rules }, { state_snapshot: { password: "hunter2" } }), "low");
  });

  test("is the same whatever number of other actions came before", () => {
    const admit = createAdmitter({ priority: { rules: [{ action: "a7", type: "T", priority: "high" }] } });
    const of = (action: string) =>
      admit(Buffer.from(JSON.stringify({ element_id: "e", element_type: "T", action })), { source: "s" }).priority;
    for (let i = 0; i < 5000; i += 1) assert.equal(of(`a${i}`), i === 7 ? "high" : "low");
    assert.equal(of("a7"), "high");
  });
});
