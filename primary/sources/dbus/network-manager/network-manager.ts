// NetworkManager as a watched service: which signals say what about devices, connection profiles and the network as a
// whole. Signals mostly say that something is to be looked at; the properties are read a little later, once for many
// signals. What NetworkManager tells all the time (signal strength, scans, rates, counters) costs no call and no event.
// https://networkmanager.dev/docs/api/latest/spec.html
import { setTimeout as sleep } from "node:timers/promises";
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import type { ElementState } from "../../watch/element-change.js";
import type { BusPeer, BusService } from "../bus-service.js";
import { NetworkConnections } from "./connections.js";
import { DEVICE_PROPERTIES, IP_PROPERTIES } from "./device.js";
import { NetworkDevices } from "./devices.js";
import { nameNetworkChange } from "./name-change.js";
import {
  ACTIVE,
  allObjects,
  DEVICE,
  liveObjects,
  type NetworkObjects,
  NM,
  NM_PATH,
  PROFILE,
  type Properties,
  paths,
  text,
} from "./objects.js";
import { PROFILE_PROPERTIES } from "./profile.js";
import { connectivity, isPassing, networkState } from "./words.js";

const SETTINGS = `${NM}.Settings`;
const NETWORK = "network:connectivity";
const NETWORK_TYPE = "NetworkState";
const NETWORK_PROPERTIES: ReadonlySet<string> = new Set(
  "Connectivity NetworkingEnabled PrimaryConnection State WirelessEnabled".split(" "),
);

/** NetworkManager gives a device without an answer from DHCP 45 s at its own start. */
const STARTUP_AT_MOST_MS = 60_000;
const STARTUP_LOOK_MS = 250;

export function createNetworkManager(): BusService {
  return new NetworkManager();
}

class NetworkManager implements BusService {
  readonly source = "dbus:NetworkManager";
  readonly busName = NM;
  // One rule for all: which interfaces are worth anything is seen here, at the price of a look at each signal.
  readonly rules = [`path_namespace='${NM_PATH}'`];
  readonly nameChange = nameNetworkChange;
  readonly #devices = new NetworkDevices();
  readonly #connections = new NetworkConnections();

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    if (await waitForStartup(peer)) peer.forgetHeld();
    const objects = await allObjects(peer);
    const manager = await objects.read(NM_PATH, NM);
    if (!manager) throw new Error("NetworkManager has its name on the bus and nothing to show yet");
    const settings = (await objects.read(`${NM_PATH}/Settings`, SETTINGS)) ?? {};
    const actives = paths(manager.ActiveConnections);
    const connections = await this.#connections.snapshot(paths(settings.Connections), actives, objects, peer);
    const devices = await this.#devices.snapshot(paths(manager.Devices), objects, peer);
    return [...devices, ...connections, await readNetwork(manager, objects)];
  }

  signal(message: BusMessage, peer: BusPeer): void {
    const { path, interface: iface, member, body } = message;
    const name = `${iface}.${member}`;
    if (name === "org.freedesktop.DBus.Properties.PropertiesChanged") this.#propertiesChanged(message, peer);
    else if (name === `${DEVICE}.StateChanged`) this.#devices.stateChanged(path, body, peer);
    else if (name === `${ACTIVE}.StateChanged`) this.#connections.activeChanged(path, body, peer);
    else if (name === `${NM}.DeviceAdded`) this.#devices.added(body[0] as string, peer);
    else if (name === `${NM}.DeviceRemoved`) this.#devices.removed(body[0] as string, peer);
    else if (name === `${SETTINGS}.NewConnection`) this.#connections.added(body[0] as string, peer);
    else if (name === `${SETTINGS}.ConnectionRemoved`) this.#connections.removed(body[0] as string, peer);
    else if (name === `${PROFILE}.Updated`) this.#connections.touched(path, peer);
  }

  #propertiesChanged({ path, body }: BusMessage, peer: BusPeer): void {
    const [iface, changed] = body as [string, Record<string, { value: unknown }>];
    const touches = (wanted: ReadonlySet<string>) => Object.keys(changed).some((name) => wanted.has(name));
    if (iface === DEVICE && touches(DEVICE_PROPERTIES)) this.#devices.touched(path, peer);
    else if (/IP[46]Config$/.test(iface) && touches(IP_PROPERTIES)) this.#devices.ipConfigTouched(path, peer);
    else if (iface === PROFILE && touches(PROFILE_PROPERTIES)) this.#connections.touched(path, peer);
    else if (iface === NM) {
      if (changed.ActiveConnections) this.#connections.listed(paths(changed.ActiveConnections.value), peer);
      if (touches(NETWORK_PROPERTIES)) peer.soon("network", () => this.#lookAtNetwork(peer));
    }
  }

  async #lookAtNetwork(peer: BusPeer): Promise<void> {
    const objects = liveObjects(peer);
    const manager = await objects.read(NM_PATH, NM);
    // On its way to a state that will be signalled.
    if (!manager || isPassing(networkState(manager.State))) return;
    const element = await readNetwork(manager, objects);
    const before = peer.writer.last(NETWORK) ?? {};
    peer.writer.writeIfChanged({ ...element, action: nameNetworkChange(before, element.state, NETWORK_TYPE) });
  }
}

/**
 * When NetworkManager starts it takes devices through all states to where they were before: that is nothing that happened
 * to the host. True if it was starting; a device that does not come up does not keep us waiting for ever. @throws DbusError
 */
async function waitForStartup(peer: BusPeer): Promise<boolean> {
  const objects = liveObjects(peer);
  for (let waitedMs = 0; waitedMs < STARTUP_AT_MOST_MS; waitedMs += STARTUP_LOOK_MS) {
    const manager = await objects.read(NM_PATH, NM);
    // It has its name on the bus a moment before it has anything else.
    if (manager && manager.Startup !== true) return waitedMs > 0;
    await sleep(STARTUP_LOOK_MS, undefined, { signal: peer.signal });
  }
  return true;
}

async function readNetwork(manager: Properties, objects: NetworkObjects): Promise<ElementState> {
  const primary = await objects.read(manager.PrimaryConnection, ACTIVE);
  const state = {
    state: networkState(manager.State),
    connectivity: connectivity(manager.Connectivity),
    primary_connection_id: text(primary?.Id),
    primary_connection_uuid: text(primary?.Uuid),
    networking_enabled: manager.NetworkingEnabled === true,
    wireless_enabled: manager.WirelessEnabled === true,
  };
  return { elementId: NETWORK, elementType: NETWORK_TYPE, state };
}
