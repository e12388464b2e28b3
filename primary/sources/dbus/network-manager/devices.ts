// The network devices that NetworkManager has, by object path, and what its signals about them mean. A state that a device
// comes to is announced by a signal and written with all properties once they are read; when the next state comes first,
// it is written with what was known, so that no failure between two looks is missed.
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { BusPeer } from "../bus-service.js";
import { INTERFACE_TYPE, inState, type NetworkDevice, readDevice } from "./device.js";
import { nameNetworkChange } from "./name-change.js";
import { liveObjects, type NetworkObjects } from "./objects.js";
import { deviceReason, deviceState, isPassing } from "./words.js";

interface Device {
  /** Undefined until it has been read. */
  elementId: string | undefined;
  ipConfigs: string[];
  /** A state that was signalled and is not written yet. */
  announced: { state: string; reason: string | undefined } | undefined;
}

export class NetworkDevices {
  #devices = new Map<string, Device>();

  /** Reads all of them anew; what was known is forgotten, after what was announced has been told. */
  async snapshot(paths: readonly string[], objects: NetworkObjects, peer: BusPeer): Promise<ElementState[]> {
    const devices = new Map<string, Device>();
    const elements: ElementState[] = [];
    for (const path of paths) {
      const read = await readDevice(path, objects);
      if (!read) continue;
      devices.set(path, { elementId: read.element.elementId, ipConfigs: read.ipConfigs, announced: undefined });
      elements.push(read.element);
    }
    for (const device of this.#devices.values()) this.#writeAnnounced(device, peer);
    this.#devices = devices;
    return elements;
  }

  added(path: string, peer: BusPeer): void {
    if (!this.#devices.has(path)) {
      this.#devices.set(path, { elementId: undefined, ipConfigs: [], announced: undefined });
    }
    this.touched(path, peer);
  }

  removed(path: string, peer: BusPeer): void {
    const device = this.#devices.get(path);
    if (!device) return;
    this.#writeAnnounced(device, peer);
    this.#devices.delete(path);
    if (device.elementId !== undefined) this.#writeRemoved(device.elementId, peer);
  }

  /** `Device.StateChanged`: where to, where from, why. */
  stateChanged(path: string, [to, , reason]: readonly unknown[], peer: BusPeer): void {
    const device = this.#devices.get(path);
    if (!device) return;
    this.#writeAnnounced(device, peer);
    const state = deviceState(to);
    if (isPassing(state)) return;
    device.announced = { state, reason: deviceReason(reason) };
    this.touched(path, peer);
  }

  /** Looks at the device again, soon. */
  touched(path: string, peer: BusPeer): void {
    const device = this.#devices.get(path);
    if (device) peer.soon(`device:${path}`, () => this.#look(path, device, peer));
  }

  ipConfigTouched(ipConfig: string, peer: BusPeer): void {
    for (const [path, { ipConfigs }] of this.#devices) if (ipConfigs.includes(ipConfig)) this.touched(path, peer);
  }

  async #look(path: string, device: Device, peer: BusPeer): Promise<void> {
    const read = await readDevice(path, liveObjects(peer));
    // Removed, or read anew as a whole, while the answer was on its way.
    if (!read || this.#devices.get(path) !== device) return;
    const state = read.element.state.state as string;
    // On its way to a state that will be signalled, or in one whose signal is still to come.
    if (isPassing(state) || (device.announced && device.announced.state !== state)) return;
    this.#takeName(device, read, peer);
    this.#writeRead(device, read.element, peer);
  }

  /** Interfaces are renamed while they stay the same device. */
  #takeName(device: Device, { element, ipConfigs }: NetworkDevice, peer: BusPeer): void {
    const before = device.elementId;
    device.elementId = element.elementId;
    device.ipConfigs = ipConfigs;
    if (before !== undefined && before !== element.elementId) this.#writeRemoved(before, peer);
  }

  #writeRead(device: Device, element: ElementState, { writer }: BusPeer): void {
    const { announced } = device;
    device.announced = undefined;
    const before = writer.last(element.elementId) ?? {};
    const action = nameNetworkChange(before, element.state, INTERFACE_TYPE);
    writer.writeIfChanged({ ...element, action, reason: announced?.reason });
    if (action === "added" && element.state.state === "connected" && announced) {
      writer.write({ ...element, action: "connected", reason: announced.reason });
    }
  }

  #writeAnnounced(device: Device, { writer }: BusPeer): void {
    const { announced, elementId } = device;
    device.announced = undefined;
    if (!announced) return;
    const before: JsonObject = (elementId === undefined ? undefined : writer.last(elementId)) ?? {};
    if (elementId === undefined || Object.keys(before).length === 0) {
      // Nothing is known to write it with: the device is added in the state that follows.
      writer.coalesced(1);
      return;
    }
    const state = inState(before, announced.state);
    const action = nameNetworkChange(before, state, INTERFACE_TYPE);
    writer.writeIfChanged({ elementId, elementType: INTERFACE_TYPE, state, action, reason: announced.reason });
  }

  #writeRemoved(elementId: string, { writer }: BusPeer): void {
    for (const other of this.#devices.values()) if (other.elementId === elementId) return;
    writer.writeIfChanged({ elementId, elementType: INTERFACE_TYPE, state: {}, action: "removed" });
  }
}
