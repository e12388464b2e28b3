// How NetworkManager's objects are read: all at once for a snapshot (one call for everything but the settings of
// connections), one by one after signals. An object that went away between a signal and the question is undefined.
import { DbusError } from "../../../../shared/dbus/dbus-error.js";
import { isVariant } from "../../../../shared/dbus/variant.js";
import type { BusPeer } from "../bus-service.js";

export const NM = "org.freedesktop.NetworkManager";
export const NM_PATH = "/org/freedesktop/NetworkManager";
export const DEVICE = `${NM}.Device`;
export const ACTIVE = `${NM}.Connection.Active`;
export const PROFILE = `${NM}.Settings.Connection`;
/** NetworkManager's way of saying that there is none. */
export const NO_OBJECT = "/";

/** Values by name, out of their variants. */
export type Properties = { [name: string]: unknown };

export interface NetworkObjects {
  /** The object's properties of one interface, or undefined where there is no such object. @throws DbusError */
  read(path: unknown, iface: string): Promise<Properties | undefined>;
}

/** Asks for each object when it is wanted. */
export function liveObjects(peer: BusPeer): NetworkObjects {
  return {
    async read(path, iface) {
      if (typeof path !== "string" || path === NO_OBJECT) return undefined;
      const call = { interface: "org.freedesktop.DBus.Properties", member: "GetAll", signature: "s", body: [iface] };
      const reply = await unlessGone(peer.call({ path, ...call }));
      return reply && open(reply[0]);
    },
  };
}

/** All objects as they are at one moment. @throws DbusError */
export async function allObjects(peer: BusPeer): Promise<NetworkObjects> {
  const iface = "org.freedesktop.DBus.ObjectManager";
  const [objects] = await peer.call({ path: "/org/freedesktop", interface: iface, member: "GetManagedObjects" });
  const byPath = new Map(Object.entries(objects as Record<string, Record<string, unknown>>));
  return {
    read: async (path, wanted) => {
      const properties = byPath.get(path as string)?.[wanted];
      return properties === undefined ? undefined : open(properties);
    },
  };
}

/** The reply, or undefined where the object is gone, or belongs to a user who does not share it. */
export async function unlessGone(call: Promise<unknown[]>): Promise<unknown[] | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof DbusError && GONE.test(error.errorName ?? "")) return undefined;
    throw error;
  }
}

/** GDBus, which NetworkManager uses, says `UnknownMethod` of an object that is not there. */
const GONE = /\.DBus\.Error\.(?:Unknown(?:Object|Method|Interface)|InvalidArgs)$|NetworkManager\..*PermissionDenied$/;

export function open(dictionary: unknown): Properties {
  const opened: Properties = Object.create(null) as Properties;
  for (const [name, value] of Object.entries(dictionary as Properties)) {
    opened[name] = isVariant(value) ? value.value : value;
  }
  return opened;
}

/** A text, or null where there is none. */
export function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** An array of object paths, or none. */
export function paths(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((path): path is string => typeof path === "string") : [];
}
