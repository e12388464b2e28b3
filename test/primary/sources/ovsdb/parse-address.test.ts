import assert from "node:assert/strict";
import { test } from "node:test";
import { ovsdbOptions } from "../../../../primary/sources/ovsdb/options.js";
import { parseOvsdbAddress } from "../../../../primary/sources/ovsdb/parse-address.js";

test("paths and the forms of ovs-vsctl are understood", () => {
  const path = "/run/openvswitch/db.sock";
  assert.deepEqual(parseOvsdbAddress(path), { path });
  assert.deepEqual(parseOvsdbAddress(`unix:${path}`), { path });
  assert.deepEqual(parseOvsdbAddress("tcp:127.0.0.1:6641"), { host: "127.0.0.1", port: 6641 });
  assert.deepEqual(parseOvsdbAddress("tcp:switch.example.org"), { host: "switch.example.org", port: 6640 });
  assert.deepEqual(parseOvsdbAddress("tcp:[::1]:6640"), { host: "::1", port: 6640 });
});

test("other addresses are refused, and so is the option that holds one", () => {
  const bad = [
    "",
    "db.sock",
    "unix:db.sock",
    "ssl:127.0.0.1:6640",
    "tcp:",
    "tcp:a:b",
    "tcp:a:0",
    "tcp:a:70000",
    "tcp:::1:6640",
  ];
  for (const address of [...bad, `/${"x".repeat(107)}`]) {
    assert.throws(() => parseOvsdbAddress(address), { code: "bad-address" }, address);
    assert.equal(ovsdbOptions.safeParse({ socket: address }).success, false, address);
  }
});

test("the options have defaults, and unknown ones are refused", () => {
  assert.deepEqual(ovsdbOptions.parse({}), { enabled: true, socket: "/run/openvswitch/db.sock", ignore_keys: [] });
  assert.equal(ovsdbOptions.safeParse({ path: "/run/openvswitch/db.sock" }).success, false);
});
