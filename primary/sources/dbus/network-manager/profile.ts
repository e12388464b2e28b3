// What a connection profile is like: its settings, without secrets (NetworkManager gives none unless asked for them) and
// without what it notes by itself, such as when it was last used.
import { plainValue } from "../../../../shared/dbus/plain-value.js";
import type { JsonValue } from "../../../../shared/format/canonical-json.js";
import type { ElementState, JsonObject } from "../../watch/element-change.js";
import type { BusPeer } from "../bus-service.js";
import { addressInWords } from "./device.js";
import { type NetworkObjects, open, PROFILE, type Properties, text, unlessGone } from "./objects.js";

export const CONNECTION_TYPE = "NetworkConnection";

/** Properties of a profile beside its settings whose change is worth another look. */
export const PROFILE_PROPERTIES: ReadonlySet<string> = new Set(["Filename", "Unsaved"]);

/** Settings that change by themselves. */
const VOLATILE: ReadonlySet<string> = new Set(["connection.timestamp", "802-11-wireless.seen-bssids"]);
/** Settings in an older form, in numbers, and the one that says the same in words where NetworkManager has it. */
const IN_NUMBERS: ReadonlyMap<string, string> = new Map([
  ["addresses", "address-data"],
  ["routes", "route-data"],
  ["dns", "dns-data"],
]);
const MAC_BYTES = 6;

/** Undefined where there is no such profile (any more). @throws DbusError */
export async function readProfile(
  path: string,
  isActive: boolean,
  objects: NetworkObjects,
  peer: BusPeer,
): Promise<ElementState | undefined> {
  const call = peer.call({ path, interface: PROFILE, member: "GetSettings" });
  // Together, so that a profile costs one round trip.
  const [reply, profile] = await Promise.all([unlessGone(call), objects.read(path, PROFILE)]);
  if (!reply) return undefined;
  const settings = reply[0] as Record<string, Properties>;
  const connection = open(settings.connection ?? {});
  const uuid = text(connection.uuid) ?? path;
  return {
    elementId: `connection:${uuid}`,
    elementType: CONNECTION_TYPE,
    state: {
      id: text(connection.id),
      uuid,
      type: text(connection.type),
      interface: text(connection["interface-name"]),
      // NetworkManager leaves out what has its default value.
      autoconnect: connection.autoconnect !== false,
      active: isActive,
      filename: text(profile?.Filename),
      unsaved: profile?.Unsaved === true,
      settings: settingsInWords(settings),
    },
  };
}

function settingsInWords(settings: Record<string, Properties>): JsonObject {
  const groups = Object.entries(settings).map(([group, values]) => {
    const opened = open(values);
    const kept = Object.entries(opened).filter(([key]) => {
      const inWords = IN_NUMBERS.get(key);
      return !VOLATILE.has(`${group}.${key}`) && (inWords === undefined || !(inWords in opened));
    });
    return [group, Object.fromEntries(kept.map(([key, value]) => [key, settingInWords(key, value)]))];
  });
  return Object.fromEntries(groups) as JsonObject;
}

function settingInWords(key: string, value: unknown): JsonValue {
  if (key === "dns" && Array.isArray(value)) return value.map(addressInWords);
  const isMac = Buffer.isBuffer(value) && value.length === MAC_BYTES && /(?:mac-address|bssid)$/.test(key);
  return isMac ? (value.toString("hex").toUpperCase().match(/../g) as string[]).join(":") : plainValue(value);
}
