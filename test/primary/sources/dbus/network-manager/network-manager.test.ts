import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { AdmittedEvent, EventSink } from "../../../../../primary/event.js";
import type { BusWatch } from "../../../../../primary/sources/dbus/bus-watch.js";
import { createNetworkManager } from "../../../../../primary/sources/dbus/network-manager/network-manager.js";
import { variant } from "../../../../../shared/dbus/variant.js";
import { type TestBus, withBus } from "../../../../support/with-bus.js";
import { type SeenEvent, type TestLedger, withLedger } from "../../../../support/with-ledger.js";
import { actionsOf, away, eventOf, requireMocks, serviceState, sighted, until, withWatch } from "../with-watch.js";
import {
  ACTIVE,
  CONNECTED,
  DEVICE,
  DISCONNECTED,
  FAILED,
  type MockedNetwork,
  NM,
  NM_PATH,
  profileOf,
  UNAVAILABLE,
  withNetworkManager,
} from "./mock-network-manager.js";

const SOURCE = "dbus:NetworkManager";
const UUID = "11111111-2222-3333-4444-555555555555";
const PROFILE = `connection:${UUID}`;
const NETWORK = "network:connectivity";

interface Watched {
  bus: TestBus;
  ledger: TestLedger;
  network: MockedNetwork;
  watch: BusWatch;
  /** Reasons by element and action, as they were given to the ledger. */
  reasons: ReadonlyMap<string, string | undefined>;
}

/** A watched network: `prepare` makes it what it is before anyone watches. */
async function watched(
  t: TestContext,
  prepare: (network: MockedNetwork) => Promise<unknown>,
  body: (watched: Watched) => Promise<void>,
  coalesceMs = 20,
): Promise<void> {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withNetworkManager(bus, async (network) => {
      await prepare(network);
      await withLedger(async (ledger) => {
        const reasons = recordReasons(ledger);
        const services = [createNetworkManager()];
        const run = async (watch: BusWatch) => {
          await sighted(watch, SOURCE);
          await body({ bus, ledger, network, watch, reasons });
        };
        await withWatch(bus, ledger, services, run, { coalesceMs });
      });
    }),
  );
}

function recordReasons(ledger: TestLedger): Map<string, string | undefined> {
  const reasons = new Map<string, string | undefined>();
  const { sink } = ledger.parts;
  const recording: EventSink = {
    room: () => sink.room(),
    append: (event: AdmittedEvent) => {
      reasons.set(`${event.elementId} ${event.action}`, event.reason);
      return sink.append(event);
    },
  };
  ledger.parts = { ...ledger.parts, sink: recording };
  return reasons;
}

/** Something real and last: when it is in the ledger, all that was signalled before has been looked at. */
async function settled({ ledger, network, watch }: Watched, mark: string): Promise<void> {
  await network.ethernet(mark, UNAVAILABLE);
  // Added, or observed: after a loss all is read anew, and that may come first.
  await until(`${mark} is in the ledger`, () => ledger.events(`interface:${mark}`).length > 0);
  await until("the queue is empty", () => serviceState(watch, SOURCE).queued === 0);
}

function last(events: SeenEvent[]): SeenEvent {
  return events.at(-1) as SeenEvent;
}

test("the first snapshot has devices with addresses, profiles without secrets or times, and the network, all in words", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const device = await network.ethernet("eth0", DISCONNECTED);
    const ip4 = await addIpConfig(network);
    await network.mock("AddProperties", "sa{sv}", [DEVICE, { ...hardware(), Ip4Config: variant("o", ip4) }], device);
    const profile = await network.profile(UUID, "office", settings());
    await network.mock("AddActiveConnection", "assssu", [[device], profile, "/", "0", 2]);
  };
  await watched(t, prepare, async ({ ledger }) => {
    const [device, profile, network] = ledger.events(SOURCE);
    assert.deepEqual(device, {
      element: "interface:eth0",
      type: "NetworkInterface",
      action: "observed",
      actor: "unknown",
      source: SOURCE,
      priority: "low",
      state: {
        type: "ethernet",
        state: "connected",
        managed: true,
        driver: "dbusmock",
        hw_address: "78:DD:08:D2:3D:43",
        mtu: 1500,
        carrier: true,
        connection_id: "office",
        connection_uuid: UUID,
        ip4_addresses: ["10.0.0.2/8", "192.168.7.2/24"],
        ip4_gateway: "192.168.7.1",
        ip6_addresses: [],
        ip6_gateway: null,
        dns: ["9.9.9.9"],
      },
    });
    assert.deepEqual([profile?.element, profile?.type], [PROFILE, "NetworkConnection"]);
    assert.deepEqual(profile?.state, {
      id: "office",
      uuid: UUID,
      type: "802-3-ethernet",
      interface: "eth0",
      autoconnect: false,
      active: true,
      filename: null,
      unsaved: false,
      settings: {
        connection: {
          uuid: UUID,
          id: "office",
          type: "802-3-ethernet",
          "interface-name": "eth0",
          autoconnect: false,
        },
        ipv4: { method: "auto", dns: ["9.9.9.8"] },
        ipv6: { "address-data": [{ address: "fd00::2", prefix: 64 }] },
        "802-3-ethernet": { "cloned-mac-address": "02:41:42:43:44:45" },
        "802-11-wireless": { ssid: "Café" },
      },
    });
    assert.deepEqual([network?.element, network?.type], [NETWORK, "NetworkState"]);
    assert.deepEqual(network?.state, {
      state: "connected-global",
      connectivity: "full",
      primary_connection_id: null,
      primary_connection_uuid: null,
      networking_enabled: true,
      wireless_enabled: true,
    });
  });
});

test("a device is added, connected, disconnected, modified and removed", async (t) => {
  await watched(
    t,
    () => Promise.resolve(),
    async ({ ledger, network, reasons }) => {
      const path = await network.ethernet("eth0", DISCONNECTED);
      await eventOf(ledger, "interface:eth0", "added");
      await network.mock("SetDeviceActive", "ss", [path, "/"]);
      assert.equal((await eventOf(ledger, "interface:eth0", "connected")).state.state, "connected");
      await network.mock("SetDeviceDisconnected", "s", [path]);
      assert.equal((await eventOf(ledger, "interface:eth0", "disconnected")).state.state, "disconnected");
      await network.update(path, DEVICE, { Managed: variant("b", false) });
      assert.equal((await eventOf(ledger, "interface:eth0", "modified")).state.managed, false);
      await network.mock("RemoveObject", "s", [path]);
      await network.emit(NM_PATH, `${NM}.DeviceRemoved`, "o", [path]);
      assert.deepEqual((await eventOf(ledger, "interface:eth0", "removed")).state, {});
      assert.equal(actionsOf(ledger, "interface:eth0").length, 5);
      // The mock gives the reason `unknown`, which is none.
      assert.equal(reasons.get("interface:eth0 connected"), undefined);
    },
  );
});

test("a failure between two connected states is an event, though it is over before the device can be asked", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const path = await network.ethernet("eth0", DISCONNECTED);
    await network.mock("SetDeviceActive", "ss", [path, "/"]);
  };
  await watched(
    t,
    prepare,
    async ({ ledger, network, reasons }) => {
      const path = `${NM_PATH}/Devices/eth0`;
      const changes = [
        [FAILED, CONNECTED, 17],
        [DISCONNECTED, FAILED, 39],
        [40, DISCONNECTED, 0],
        [50, 40, 0],
        [70, 50, 0],
        [80, 70, 0],
        [90, 80, 0],
        [CONNECTED, 90, 0],
      ] as const;
      // In one go, and in this order.
      await Promise.all(changes.map(([to, from, reason]) => network.stateChanged(path, to, from, reason)));
      const back = await eventOf(ledger, "interface:eth0", "connected");
      assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed", "failed", "disconnected", "connected"]);
      const states = ledger.events("interface:eth0").map(({ state }) => state.state);
      assert.deepEqual(states, ["connected", "failed", "disconnected", "connected"]);
      assert.equal(reasons.get("interface:eth0 failed"), "dhcp-failed");
      assert.equal(reasons.get("interface:eth0 disconnected"), "user-requested");
      assert.equal(back.priority, "low");
    },
    // So long that all of it lies within.
    1000,
  );
});

test("a device on its way from one state to another makes no event", async (t) => {
  const prepare = (network: MockedNetwork) => network.ethernet("eth0", DISCONNECTED);
  await watched(t, prepare, async (all) => {
    const path = `${NM_PATH}/Devices/eth0`;
    const { ledger, network } = all;
    await network.update(path, DEVICE, { State: variant("u", 70) });
    await network.stateChanged(path, 70, 50, 0);
    await settled(all, "eth1");
    assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed"]);
  });
});

test("an interface that is renamed is one that is gone and one that has come", async (t) => {
  const prepare = (network: MockedNetwork) => network.ethernet("eth0", DISCONNECTED);
  await watched(t, prepare, async ({ ledger, network }) => {
    await network.update(`${NM_PATH}/Devices/eth0`, DEVICE, { Interface: variant("s", "lan0") });
    await eventOf(ledger, "interface:lan0", "added");
    assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed", "removed"]);
  });
});

test("addresses that change on a device's IP configuration modify the device", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const device = await network.ethernet("eth0", CONNECTED);
    const ip4 = await addIpConfig(network);
    await network.mock("AddProperties", "sa{sv}", [DEVICE, { Ip4Config: variant("o", ip4) }], device);
  };
  await watched(t, prepare, async ({ ledger, network }) => {
    const changed = { AddressData: variant("aa{sv}", [address("172.16.0.9", 12)]) };
    await network.update(`${NM_PATH}/IP4Config/1`, `${NM}.IP4Config`, changed);
    assert.deepEqual((await eventOf(ledger, "interface:eth0", "modified")).state.ip4_addresses, ["172.16.0.9/12"]);
  });
});

test("a profile is added, changed, activated, deactivated and removed", async (t) => {
  const prepare = (network: MockedNetwork) => network.ethernet("eth0", DISCONNECTED);
  await watched(t, prepare, async ({ ledger, network }) => {
    const device = `${NM_PATH}/Devices/eth0`;
    const profile = await network.profile(UUID, "office");
    assert.equal((await eventOf(ledger, PROFILE, "added")).state.active, false);
    await network.method(profile, `${NM}.Settings.Connection`, "Update", "a{sa{sv}}", [
      { connection: profileOf(UUID, "home") },
    ]);
    const changed = await eventOf(ledger, PROFILE, "config_changed");
    assert.deepEqual([changed.state.id, changed.priority], ["home", "medium"]);
    await network.mock("AddActiveConnection", "assssu", [[device], profile, "/", "7", 2]);
    assert.equal((await eventOf(ledger, PROFILE, "activated")).state.active, true);
    await network.mock("RemoveActiveConnection", "ss", [device, `${NM_PATH}/ActiveConnection/7`]);
    assert.equal((await eventOf(ledger, PROFILE, "deactivated")).state.active, false);
    await network.method(profile, `${NM}.Settings.Connection`, "Delete", "", []);
    await eventOf(ledger, PROFILE, "removed");
    assert.equal(actionsOf(ledger, PROFILE).length, 5);
  });
});

test("an active connection says why it ends, and one that was never read is counted as lost", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const device = await network.ethernet("eth0", DISCONNECTED);
    await network.mock("AddActiveConnection", "assssu", [[device], await network.profile(UUID, "office"), "/", "0", 2]);
  };
  await watched(t, prepare, async (all) => {
    const { ledger, network, watch, reasons } = all;
    await network.emit(`${NM_PATH}/ActiveConnection/0`, `${ACTIVE}.StateChanged`, "uu", [4, 3]);
    await eventOf(ledger, PROFILE, "deactivated");
    assert.equal(reasons.get(`${PROFILE} deactivated`), "device-disconnected");
    const passing = `${NM_PATH}/ActiveConnection/9`;
    for (const state of [1, 2, 3, 4]) await network.emit(passing, `${ACTIVE}.StateChanged`, "uu", [state, 1]);
    await settled(all, "eth1");
    assert.deepEqual(serviceState(watch, SOURCE).dropped, { active_connection_gone_before_it_was_read: 2 });
  });
});

test("a list of active connections that was overtaken by the next one ends nothing", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const device = await network.ethernet("eth0", DISCONNECTED);
    await network.mock("AddActiveConnection", "assssu", [[device], await network.profile(UUID, "office"), "/", "0", 2]);
  };
  const body = async (all: Watched) => {
    const lists = [[], [`${NM_PATH}/ActiveConnection/0`]];
    const set = (list: string[]) =>
      all.network.mock("SetProperty", "sssv", [NM_PATH, NM, "ActiveConnections", variant("ao", list)]);
    // In one go, and in this order.
    await Promise.all(lists.map(set));
    await settled(all, "eth1");
    assert.deepEqual(actionsOf(all.ledger, PROFILE), ["observed"]);
  };
  // So long that both lie within.
  await watched(t, prepare, body, 5000);
});

test("while NetworkManager starts, what it does to bring everything back is not taken for what happened", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withNetworkManager(bus, async (network) => {
      const device = await network.ethernet("eth0", CONNECTED);
      await network.update(NM_PATH, NM, { Startup: variant("b", true) });
      await withLedger((ledger) =>
        withWatch(bus, ledger, [createNetworkManager()], async (watch) => {
          await until("it is there", () => serviceState(watch, SOURCE).present === true);
          for (const [to, from] of [
            [10, CONNECTED],
            [UNAVAILABLE, 10],
            [FAILED, UNAVAILABLE],
          ] as const) {
            await network.stateChanged(device, to, from, 0);
          }
          assert.equal(serviceState(watch, SOURCE).watching, false);
          await network.update(NM_PATH, NM, { Startup: variant("b", false) });
          await sighted(watch, SOURCE);
          assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed"]);
          await network.stateChanged(device, FAILED, CONNECTED, 0);
          await network.stateChanged(device, CONNECTED, FAILED, 0);
          await eventOf(ledger, "interface:eth0", "connected");
          assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed", "failed", "connected"]);
        }),
      );
    }),
  );
});

test("the network's state and connectivity change by one event, its switches modify it", async (t) => {
  await watched(
    t,
    () => Promise.resolve(),
    async ({ ledger, network }) => {
      // The second is passed through only.
      for (const state of [50, 40, 20]) await network.mock("SetGlobalConnectionState", "u", [state]);
      await until("it is disconnected", () => last(ledger.events(NETWORK)).state.state === "disconnected");
      await network.mock("SetConnectivity", "u", [2]);
      await until("it is a portal", () => last(ledger.events(NETWORK)).state.connectivity === "portal");
      await network.update(NM_PATH, NM, { WirelessEnabled: variant("b", false) });
      assert.equal((await eventOf(ledger, NETWORK, "modified")).state.wireless_enabled, false);
      assert.ok(ledger.events(NETWORK).every(({ state }) => state.state !== "connecting"));
      assert.deepEqual([...new Set(actionsOf(ledger, NETWORK))], ["observed", "connectivity_changed", "modified"]);
    },
  );
});

test("signal strength, scans, rates and counters make no event and are no reason to look", async (t) => {
  const prepare = async (network: MockedNetwork) => {
    const device = await network.mock("AddWiFiDevice", "ssi", ["wlan0", "wlan0", DISCONNECTED]);
    const point = [device, "0", "net", "00:23:F8:7E:12:BB", 2, 2425, 5400, 82, 0x100];
    await network.mock("AddAccessPoint", "ssssuuuyu", point);
    await network.mock(
      "AddProperties",
      "sa{sv}",
      [`${DEVICE}.Wireless`, { LastScan: variant("x", 1n) }],
      String(device),
    );
    await network.mock("AddProperties", "sa{sv}", [`${DEVICE}.Statistics`, counters(0n)], String(device));
  };
  await watched(t, prepare, async (all) => {
    const { ledger, network, watch } = all;
    const device = `${NM_PATH}/Devices/wlan0`;
    const point = `${NM_PATH}/AccessPoint/0`;
    for (let i = 1; i <= 50; i += 1) {
      await network.update(point, `${NM}.AccessPoint`, { Strength: variant("y", i), LastSeen: variant("i", i) });
      const scan = { Bitrate: variant("u", i), LastScan: variant("x", BigInt(i)) };
      await network.update(device, `${DEVICE}.Wireless`, scan);
      await network.update(device, `${DEVICE}.Statistics`, counters(BigInt(i)));
    }
    await settled(all, "eth1");
    assert.deepEqual(actionsOf(ledger, "interface:wlan0"), ["observed"]);
    // A look that finds nothing new is counted.
    assert.equal(serviceState(watch, SOURCE).unchanged, 0);
  });
});

test("NetworkManager may come later, go, and come back another: gap, then what differs", async (t) => {
  if (!(await requireMocks(t))) return;
  await withBus((bus) =>
    withLedger((ledger) =>
      withWatch(bus, ledger, [createNetworkManager()], async (watch) => {
        await until("the bus is watched", () => watch.state().connected === true);
        await withNetworkManager(bus, async (network) => {
          // What is there before the first look is observed.
          await sighted(watch, SOURCE);
          await network.ethernet("eth0", DISCONNECTED);
          await network.ethernet("eth1", DISCONNECTED);
          await eventOf(ledger, "interface:eth0", "added");
          await eventOf(ledger, "interface:eth1", "added");
        });
        await away(watch, SOURCE);
        const seen = ledger.events().length;
        await withNetworkManager(bus, async (network) => {
          await network.ethernet("eth1", CONNECTED);
          await sighted(watch, SOURCE);
          await until("eth1 is connected", () => last(ledger.events("interface:eth1")).state.state === "connected");
        });
        const [gap, ...rest] = ledger.events().slice(seen);
        assert.deepEqual([gap?.element, gap?.action], [`source:${SOURCE}`, "gap"]);
        assert.equal(gap?.state.reason, `${NM} was gone`);
        assert.ok(rest.some(({ element, action }) => element === "interface:eth0" && action === "removed"));
        assert.ok(rest.every(({ action }) => action !== "observed"));
      }),
    ),
  );
});

test("what a stranger signals in NetworkManager's name is dropped, and counted where it comes straight to us", async (t) => {
  const prepare = (network: MockedNetwork) => network.ethernet("eth0", DISCONNECTED);
  await watched(t, prepare, async (all) => {
    const { bus, ledger, watch } = all;
    const forged = [
      "--type=signal",
      `${NM_PATH}/Devices/eth0`,
      `${DEVICE}.StateChanged`,
      "uint32:120",
      "uint32:100",
      "uint32:1",
    ];
    await bus.send(...forged);
    for (const destination of await everyConnection(bus)) await bus.send(`--dest=${destination}`, ...forged);
    await until("the forged signal is counted", () => Number(watch.state().forged) > 0);
    await settled(all, "eth1");
    assert.deepEqual(actionsOf(ledger, "interface:eth0"), ["observed"]);
    assert.deepEqual(serviceState(watch, SOURCE).dropped, { forged: 1 });
  });
});

async function everyConnection(bus: TestBus): Promise<string[]> {
  const names = await bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames");
  return [...names.matchAll(/':[^']+'/g)].map(([name]) => name.slice(1, -1));
}

async function addIpConfig(network: MockedNetwork): Promise<string> {
  const path = `${NM_PATH}/IP4Config/1`;
  const properties = {
    AddressData: variant("aa{sv}", [address("192.168.7.2", 24), address("10.0.0.2", 8)]),
    Gateway: variant("s", "192.168.7.1"),
    NameserverData: variant("aa{sv}", [{ address: variant("s", "9.9.9.9") }]),
  };
  await network.mock("AddObject", "ssa{sv}a(ssss)", [path, `${NM}.IP4Config`, properties, []]);
  return path;
}

function address(text: string, prefix: number): Record<string, object> {
  return { address: variant("s", text), prefix: variant("u", prefix) };
}

/** As NetworkManager gives them: numbers in network byte order, bytes, and the same in words beside them. */
function settings(): Record<string, Record<string, object>> {
  return {
    ipv4: { method: variant("s", "auto"), dns: variant("au", [0x08090909]) },
    ipv6: { addresses: variant("as", ["in numbers"]), "address-data": variant("aa{sv}", [address("fd00::2", 64)]) },
    "802-3-ethernet": { "cloned-mac-address": variant("ay", Buffer.from("024142434445", "hex")) },
    "802-11-wireless": {
      ssid: variant("ay", Buffer.from("Café")),
      "seen-bssids": variant("as", ["00:23:F8:7E:12:BB"]),
    },
  };
}

function hardware(): Record<string, object> {
  return {
    HwAddress: variant("s", "78:DD:08:D2:3D:43"),
    Mtu: variant("u", 1500),
    InterfaceFlags: variant("u", 0x10003),
  };
}

function counters(bytes: bigint): Record<string, object> {
  return { TxBytes: variant("t", bytes), RxBytes: variant("t", bytes) };
}
