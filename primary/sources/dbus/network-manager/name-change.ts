// Names what happened to an element of NetworkManager from its states before and after: one rule for what signals told
// and for what a comparison finds.
import type { JsonObject } from "../../watch/element-change.js";

/** Left behind when a device has no connection any more; from other states it only becomes ready or not. */
const UNCONNECTED: ReadonlySet<unknown> = new Set(["disconnected", "unavailable", "unmanaged"]);

export function nameNetworkChange(before: JsonObject, after: JsonObject, elementType: string): string {
  if (Object.keys(after).length === 0) return "removed";
  if (Object.keys(before).length === 0) return "added";
  if (elementType === "NetworkInterface") return nameInterfaceChange(before, after);
  if (elementType === "NetworkConnection") return nameProfileChange(before, after);
  const isSame = before.state === after.state && before.connectivity === after.connectivity;
  return isSame ? "modified" : "connectivity_changed";
}

function nameInterfaceChange(before: JsonObject, after: JsonObject): string {
  if (before.state === after.state) return "modified";
  if (after.state === "connected" || after.state === "failed") return after.state;
  return UNCONNECTED.has(after.state) && !UNCONNECTED.has(before.state) ? "disconnected" : "modified";
}

function nameProfileChange(before: JsonObject, after: JsonObject): string {
  if (before.active === after.active) return "config_changed";
  return after.active === true ? "activated" : "deactivated";
}
