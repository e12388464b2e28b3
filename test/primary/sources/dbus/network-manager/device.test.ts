import assert from "node:assert/strict";
import { test } from "node:test";
import { readDevice } from "../../../../../primary/sources/dbus/network-manager/device.js";
import {
  DEVICE,
  type NetworkObjects,
  NM,
  type Properties,
} from "../../../../../primary/sources/dbus/network-manager/objects.js";
import { variant } from "../../../../../shared/dbus/variant.js";

const PATH = "/org/freedesktop/NetworkManager/Devices/7";

function objects(device: Properties | undefined, ip6: Properties = {}): NetworkObjects {
  const byInterface = new Map([
    [DEVICE, device],
    [`${NM}.IP6Config`, ip6],
  ]);
  return { read: async (_path, iface) => byInterface.get(iface) };
}

test("an Open vSwitch bridge, its port and its interface of one name are three elements", async () => {
  const ids = [24, 25, 26].map(async (DeviceType) => {
    return (await readDevice(PATH, objects({ DeviceType, Interface: "br0" })))?.element.elementId;
  });
  assert.deepEqual(await Promise.all(ids), ["interface:br0", "interface:ovs-port:br0", "interface:ovs-bridge:br0"]);
});

test("numbers that a later NetworkManager may send stay numbers, and a device without a name has its path's", async () => {
  const read = await readDevice(PATH, objects({ DeviceType: 99, State: 77 }));
  assert.equal(read?.element.elementId, "interface:7");
  assert.deepEqual([read?.element.state.type, read?.element.state.state], ["99", "77"]);
});

test("IPv6 nameservers are words, whether they come as bytes or named", async () => {
  const bytes = Buffer.from("fd000000000000000000000000000053", "hex");
  // All bytes of this one can be printed.
  const printable = Buffer.from("20202020202020202020202020202021", "hex");
  const old = await readDevice(PATH, objects({}, { Nameservers: [bytes, printable] }));
  assert.deepEqual(old?.element.state.dns, ["fd00::53", "2020:2020:2020:2020:2020:2020:2020:2021"]);
  const named = { Nameservers: [bytes], NameserverData: [{ address: variant("s", "fd00::54") }] };
  assert.deepEqual((await readDevice(PATH, objects({}, named)))?.element.state.dns, ["fd00::54"]);
});

test("a device that is not there is undefined", async () => {
  assert.equal(await readDevice(PATH, objects(undefined)), undefined);
});
