// python-dbusmock's NetworkManager, driven over one connection: a process for each call would be too slow for states that
// follow each other within the time in which signals are gathered.
import { BusConnection } from "../../../../../shared/dbus/bus-connection.js";
import { variant } from "../../../../../shared/dbus/variant.js";
import type { BusMock, TestBus } from "../../../../support/with-bus.js";

export const NM = "org.freedesktop.NetworkManager";
export const NM_PATH = "/org/freedesktop/NetworkManager";
export const DEVICE = `${NM}.Device`;
export const ACTIVE = `${NM}.Connection.Active`;
const MOCK = "org.freedesktop.DBus.Mock";

/** NMDeviceState */
export const UNAVAILABLE = 20;
export const DISCONNECTED = 30;
export const CONNECTED = 100;
export const FAILED = 120;

export interface MockedNetwork extends BusMock {
  /** A method of the mock, at the manager unless a path is given. The reply's first value. */
  mock(member: string, signature: string, body: unknown[], path?: string): Promise<unknown>;
  method(path: string, iface: string, member: string, signature: string, body: unknown[]): Promise<unknown>;
  /** A signal from a path, whether there is an object or not. */
  emit(path: string, name: string, signature: string, values: unknown[]): Promise<void>;
  /** Sets properties and tells it by PropertiesChanged. */
  update(path: string, iface: string, properties: Record<string, object>): Promise<void>;
  /** Adds an ethernet device; its path. */
  ethernet(name: string, state: number): Promise<string>;
  /** Adds a connection profile; its path. */
  profile(uuid: string, id: string, settings?: Record<string, Record<string, object>>): Promise<string>;
  stateChanged(device: string, to: number, from: number, reason: number): Promise<void>;
}

export async function withNetworkManager<T>(bus: TestBus, body: (network: MockedNetwork) => Promise<T>): Promise<T> {
  const mock = await bus.mock("--template", "networkmanager");
  const connection = await BusConnection.connect({ address: bus.address });
  try {
    return await body(drive(mock, connection));
  } finally {
    connection.close();
    await mock.stop();
  }
}

function drive(mock: BusMock, connection: BusConnection): MockedNetwork {
  const network: MockedNetwork = {
    name: mock.name,
    pid: mock.pid,
    stop: () => mock.stop(),
    async method(path, iface, member, signature, body) {
      return (await connection.call({ destination: NM, path, interface: iface, member, signature, body }))[0];
    },
    mock: (member, signature, body, path = NM_PATH) => network.method(path, MOCK, member, signature, body),
    async emit(path, name, signature, values) {
      const at = name.lastIndexOf(".");
      const args = values.map((value, index) => variant(signature[index] as string, value));
      const signal = [name.slice(0, at), name.slice(at + 1), signature, args, { path: variant("s", path) }];
      await network.mock("EmitSignalDetailed", "sssava{sv}", signal);
    },
    async update(path, iface, properties) {
      await network.mock("UpdateProperties", "sa{sv}", [iface, properties], path);
    },
    async ethernet(name, state) {
      return (await network.mock("AddEthernetDevice", "ssi", [name, name, state])) as string;
    },
    async profile(uuid, id, settings = {}) {
      const all = { connection: profileOf(uuid, id), ...settings };
      const path = `${NM_PATH}/Settings`;
      return (await network.method(path, `${NM}.Settings`, "AddConnection", "a{sa{sv}}", [all])) as string;
    },
    stateChanged: (device, to, from, reason) =>
      network.emit(device, `${DEVICE}.StateChanged`, "uuu", [to, from, reason]),
  };
  return network;
}

export function profileOf(uuid: string, id: string): Record<string, object> {
  return {
    uuid: variant("s", uuid),
    id: variant("s", id),
    type: variant("s", "802-3-ethernet"),
    "interface-name": variant("s", "eth0"),
    autoconnect: variant("b", false),
    timestamp: variant("t", 1_700_000_000n),
  };
}
