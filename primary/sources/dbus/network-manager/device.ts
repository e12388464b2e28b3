// What a network device is like: its own properties, its addresses, and the connection that it carries. Left out is what
// changes by itself: counters, rates, signal strength, times of scans and leases.
import { SocketAddress } from "node:net";
import { plainValue } from "../../../../shared/dbus/plain-value.js";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import { ACTIVE, DEVICE, type NetworkObjects, NM, NO_OBJECT, open, type Properties, text } from "./objects.js";
import { deviceState, deviceType } from "./words.js";

export const INTERFACE_TYPE = "NetworkInterface";

export interface NetworkDevice {
  element: ElementState;
  /** Paths of its IP configurations: what changes there changes the device. */
  ipConfigs: string[];
}

/** Properties of `Device` whose change is worth another look. */
export const DEVICE_PROPERTIES: ReadonlySet<string> = new Set(
  `ActiveConnection DeviceType Driver HwAddress Interface InterfaceFlags Ip4Config Ip6Config Managed Mtu State`.split(
    " ",
  ),
);
/** The same of `IP4Config` and `IP6Config`. */
export const IP_PROPERTIES: ReadonlySet<string> = new Set("AddressData Gateway NameserverData Nameservers".split(" "));

/** NM_DEVICE_INTERFACE_FLAG_CARRIER */
const CARRIER = 0x10000;
/** Open vSwitch's bridges and ports are devices too, by the name of the kernel's interface. */
const NO_INTERFACE: ReadonlySet<string> = new Set(["ovs-bridge", "ovs-port"]);

/** Undefined where there is no such device. @throws DbusError */
export async function readDevice(path: string, objects: NetworkObjects): Promise<NetworkDevice | undefined> {
  const device = await objects.read(path, DEVICE);
  if (!device) return undefined;
  const active = await objects.read(device.ActiveConnection, ACTIVE);
  const ip4 = await objects.read(device.Ip4Config, `${NM}.IP4Config`);
  const ip6 = await objects.read(device.Ip6Config, `${NM}.IP6Config`);
  const type = deviceType(device.DeviceType);
  return {
    element: {
      elementId: elementId(type, text(device.Interface) ?? path.slice(path.lastIndexOf("/") + 1)),
      elementType: INTERFACE_TYPE,
      state: {
        type,
        state: deviceState(device.State),
        managed: device.Managed === true,
        driver: text(device.Driver),
        hw_address: text(device.HwAddress),
        mtu: typeof device.Mtu === "number" ? device.Mtu : null,
        carrier: typeof device.InterfaceFlags === "number" ? (device.InterfaceFlags & CARRIER) !== 0 : null,
        connection_id: text(active?.Id),
        connection_uuid: text(active?.Uuid),
        ip4_addresses: addresses(ip4),
        ip4_gateway: text(ip4?.Gateway),
        ip6_addresses: addresses(ip6),
        ip6_gateway: text(ip6?.Gateway),
        dns: [...nameservers(ip4), ...nameservers(ip6)],
      },
    },
    ipConfigs: [device.Ip4Config, device.Ip6Config].filter(
      (config): config is string => typeof config === "string" && config !== NO_OBJECT,
    ),
  };
}

function elementId(type: string, name: string): string {
  return NO_INTERFACE.has(type) ? `interface:${type}:${name}` : `interface:${name}`;
}

/** What is known of the device in a state that it left again before it could be asked. */
export function inState(known: JsonObject, state: string): JsonObject {
  if (state !== "disconnected" && state !== "unavailable") return { ...known, state };
  const none = { connection_id: null, connection_uuid: null, ip4_gateway: null, ip6_gateway: null };
  return { ...known, ...none, state, ip4_addresses: [], ip6_addresses: [], dns: [] };
}

/** As `192.168.7.2/24`, in order: the kernel's is not always the same. */
function addresses(config: Properties | undefined): string[] {
  return list(config?.AddressData)
    .map(open)
    .map(({ address, prefix }) => `${String(plainValue(address))}/${String(plainValue(prefix))}`)
    .sort();
}

/** In their order, which is the order of asking. `Nameservers` is the older form, and IPv6's only one for long. */
function nameservers(config: Properties | undefined): string[] {
  const named = list(config?.NameserverData);
  if (named.length > 0) return named.map((server) => String(plainValue(open(server).address)));
  return list(config?.Nameservers).map(addressInWords);
}

/** An IPv4 address comes as a number in network byte order, an IPv6 one as 16 bytes. */
export function addressInWords(address: unknown): string {
  if (typeof address === "number") return [0, 8, 16, 24].map((shift) => (address >>> shift) & 255).join(".");
  if (!Buffer.isBuffer(address) || address.length !== 16) return String(plainValue(address));
  const groups = (address.toString("hex").match(/.{4}/g) as string[]).join(":");
  return new SocketAddress({ address: groups, family: "ipv6" }).address;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
