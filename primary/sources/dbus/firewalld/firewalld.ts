// firewalld as a watched service: zones and policies as they are in force, default zone, panic mode. Its signals say what
// was asked for, and not all that follows from it: they only mark what is to be read again.
// https://firewalld.org/documentation/man-pages/firewalld.dbus.html (interface 1.10, firewalld 0.9, and later)
import type { BusMessage } from "../../../../shared/dbus/bus-connection.js";
import type { DbusError } from "../../../../shared/dbus/dbus-error.js";
import { plainObject, plainValue } from "../../../../shared/dbus/plain-value.js";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { ElementWriter } from "../../watch/element-writer.js";
import type { BusPeer, BusService } from "../bus-service.js";
import { nameRulesChange, policyState, zoneState } from "./rules.js";
import { FIREWALL_TYPE, firewallState, nameFirewallChange } from "./state.js";

const NAME = "org.fedoraproject.FirewallD1";
const PATH = "/org/fedoraproject/FirewallD1";
const ZONE = `${NAME}.zone`;
const POLICY = `${NAME}.policy`;
const STATE_ELEMENT = "firewall:state";

/** What moves something from one zone to another, and names only where it went. */
const MOVES = new Set(["ZoneChanged", "ZoneOfInterfaceChanged", "ZoneOfSourceChanged"]);
const NO_SUCH_METHOD = new Set([
  "org.freedesktop.DBus.Error.UnknownMethod",
  "org.freedesktop.DBus.Error.UnknownInterface",
]);

export function createFirewalld(): BusService {
  return new Firewalld();
}

class Firewalld implements BusService {
  readonly source = "dbus:FirewallD1";
  readonly busName = NAME;
  /** Not below the path: what is there is the permanent configuration, files that take effect with a reload. */
  readonly rules = [`path='${PATH}'`];

  nameChange(before: JsonObject, after: JsonObject, elementType: string): string {
    return elementType === FIREWALL_TYPE ? nameFirewallChange(before, after) : nameRulesChange(before, after);
  }

  /** Its rules go with it: that is a change, and not only a time that is not seen. */
  absent(writer: ElementWriter): void {
    const last = writer.last(STATE_ELEMENT);
    if (last === undefined) return;
    const state = { ...last, state: "stopped" };
    writer.writeIfChanged({ elementId: STATE_ELEMENT, elementType: FIREWALL_TYPE, action: "stopped", state });
  }

  async snapshot(peer: BusPeer): Promise<ElementState[]> {
    const present = [await readFirewall(peer)];
    for (const zone of await listNames(peer, ZONE, "getZones")) present.push(await readZone(peer, zone));
    for (const policy of await listPolicies(peer)) present.push(await readPolicy(peer, policy));
    return present;
  }

  signal({ interface: iface, member, body }: BusMessage, peer: BusPeer): void {
    const [name] = body as [string];
    if (iface === ZONE) this.#ofZone(member, body, peer);
    else if (iface === POLICY) peer.soon(`policy ${name}`, () => this.#write(peer, readPolicy(peer, name)));
    else if (iface === NAME) this.#ofFirewall(member, body, peer);
  }

  #ofZone(member: string, body: readonly unknown[], peer: BusPeer): void {
    const zone = body[0] as string;
    if (MOVES.has(member)) readAllSoon(peer, "something went from zone to zone");
    else peer.soon(`zone ${zone}`, () => this.#write(peer, readZone(peer, zone)));
  }

  /** Taken from the signals themselves: panic that is over before one could ask is an event too. */
  #ofFirewall(member: string, body: readonly unknown[], peer: BusPeer): void {
    if (member === "PanicModeEnabled") this.#become(peer, { panic: true });
    else if (member === "PanicModeDisabled") this.#become(peer, { panic: false });
    else if (member === "LogDeniedChanged") this.#become(peer, { log_denied: plainValue(body[0]) });
    else if (member === "DefaultZoneChanged") {
      this.#become(peer, { default_zone: plainValue(body[0]) });
      // Interfaces without a zone of their own go with it.
      readAllSoon(peer, "the default zone changed");
    } else if (member === "Reloaded") this.#reloaded(peer);
  }

  #become({ writer }: BusPeer, changed: JsonObject): void {
    const before = writer.last(STATE_ELEMENT) ?? {};
    const state = { ...before, ...changed };
    const action = nameFirewallChange(before, state);
    writer.writeIfChanged({ elementId: STATE_ELEMENT, elementType: FIREWALL_TYPE, action, state });
  }

  /** An event of its own, whatever came of it: what was set for the time being only is gone. */
  #reloaded(peer: BusPeer): void {
    const state = peer.writer.last(STATE_ELEMENT) ?? {};
    peer.writer.write({ elementId: STATE_ELEMENT, elementType: FIREWALL_TYPE, action: "reloaded", state });
    peer.resnapshot("firewalld has reloaded");
  }

  async #write(peer: BusPeer, reading: Promise<ElementState>): Promise<void> {
    const element = await reading;
    const before = peer.writer.last(element.elementId) ?? {};
    peer.writer.writeIfChanged({ ...element, action: this.nameChange(before, element.state, element.elementType) });
  }
}

/** Many in a row, as when a container engine starts, lead to one snapshot. */
function readAllSoon(peer: BusPeer, reason: string): void {
  peer.soon("everything", () => peer.resnapshot(reason));
}

async function readFirewall(peer: BusPeer): Promise<ElementState> {
  const properties = await peer.properties(PATH, NAME);
  const ask = async (member: string) => (await peer.call({ path: PATH, interface: NAME, member }))[0];
  const state = firewallState(properties, {
    defaultZone: await ask("getDefaultZone"),
    panic: await ask("queryPanicMode"),
    logDenied: await ask("getLogDenied"),
  });
  return { elementId: STATE_ELEMENT, elementType: FIREWALL_TYPE, state };
}

async function readZone(peer: BusPeer, zone: string): Promise<ElementState> {
  const settings = await readSettings(peer, ZONE, "getZoneSettings2", zone);
  return { elementId: `firewall:zone:${zone}`, elementType: "FirewallZone", state: zoneState(settings) };
}

async function readPolicy(peer: BusPeer, policy: string): Promise<ElementState> {
  const settings = await readSettings(peer, POLICY, "getPolicySettings", policy);
  return { elementId: `firewall:policy:${policy}`, elementType: "FirewallPolicy", state: policyState(settings) };
}

async function readSettings(peer: BusPeer, iface: string, member: string, name: string): Promise<JsonObject> {
  const [settings] = await peer.call({ path: PATH, interface: iface, member, signature: "s", body: [name] });
  return plainObject(settings as Record<string, unknown>);
}

async function listNames(peer: BusPeer, iface: string, member: string): Promise<string[]> {
  return (await peer.call({ path: PATH, interface: iface, member }))[0] as string[];
}

/** firewalld before 0.9 has none. */
async function listPolicies(peer: BusPeer): Promise<string[]> {
  try {
    return await listNames(peer, POLICY, "getPolicies");
  } catch (error) {
    if (NO_SUCH_METHOD.has((error as DbusError).errorName ?? "")) return [];
    throw error;
  }
}
