// Reads all units and unit files from systemd: one call each, for the wanted types only, because process 1 does nothing else
// while it answers. https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html
import type { DbusError } from "../../../../shared/dbus/dbus-error.js";
import { plainValue } from "../../../../shared/dbus/plain-value.js";
import type { BusPeer } from "../bus-service.js";
import { escapeBackslashes, unitType } from "./unit-name.js";

export const SYSTEMD = "org.freedesktop.systemd1";
export const MANAGER = `${SYSTEMD}.Manager`;

/** A unit that systemd holds in memory. */
export interface LoadedUnit {
  name: string;
  description: string;
  load: string;
  active: string;
  sub: string;
  /** The unit that it is another name of, such as one of a swap's several. */
  followed: string;
  path: string;
}

const MANAGER_OBJECT = { path: "/org/freedesktop/systemd1", interface: MANAGER };

/** Asks systemd for signals; it sends none to whom it does not know. */
export async function subscribe(peer: BusPeer): Promise<void> {
  try {
    await peer.call({ ...MANAGER_OBJECT, member: "Subscribe" });
  } catch (error) {
    if ((error as DbusError).errorName !== `${SYSTEMD}.AlreadySubscribed`) throw error;
  }
}

export async function listUnits(peer: BusPeer, globs: readonly string[]): Promise<LoadedUnit[]> {
  const [rows] = await peer.call(listCall("ListUnitsByPatterns", globs));
  return (rows as string[][]).map((row) => {
    const [name = "", description = "", load = "", active = "", sub = "", followed = "", path = ""] = row;
    return { name, description, load, active, sub, followed, path };
  });
}

/** Their files are another unit's, or last as long as the unit does. */
const NO_FILE_OF_ITS_OWN = new Set(["alias", "transient"]);

/** State of each unit file by the unit's name. */
export async function listUnitFiles(peer: BusPeer, globs: readonly string[]): Promise<Map<string, string>> {
  const [rows] = await peer.call(listCall("ListUnitFilesByPatterns", globs));
  const files = (rows as [path: string, state: string][]).filter(([, state]) => !NO_FILE_OF_ITS_OWN.has(state));
  return new Map(files.map(([path, state]) => [path.slice(path.lastIndexOf("/") + 1), state]));
}

/** Why a unit failed: `exit-code`, `timeout`, `signal`, …; undefined when it is gone meanwhile. */
export async function readResult(peer: BusPeer, { name, path }: LoadedUnit): Promise<string | undefined> {
  const type = unitType(name);
  const iface = `${SYSTEMD}.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
  const get = { path, interface: "org.freedesktop.DBus.Properties", member: "Get", signature: "ss" };
  try {
    const [result] = await peer.call({ ...get, body: [iface, "Result"] });
    return String(plainValue(result));
  } catch (error) {
    if ((error as DbusError).code === "refused-by-peer") return undefined;
    throw error;
  }
}

/** No states, meaning all; systemd's globs are those of fnmatch(3), where a backslash escapes. */
function listCall(member: string, globs: readonly string[]) {
  return { ...MANAGER_OBJECT, member, signature: "asas", body: [[], globs.map(escapeBackslashes)] };
}
