// What happened to an element of Open vSwitch, by its states before and after.
import type { JsonObject } from "../watch/element-change.js";

/** The most telling name: what breaks before what comes back, and both before what was merely set. */
export function nameOvsChange(before: JsonObject, after: JsonObject, elementType: string): string {
  if (isGone(after)) return "deleted";
  if (after.error !== undefined && after.error !== before.error) return "interface_error";
  if (isGone(before)) return "created";
  const isBridge = elementType === "OvsBridge";
  if (before.link_state !== after.link_state) {
    if (after.link_state === "down") return isBridge ? "bridge_down" : "link_down";
    if (after.link_state === "up") return isBridge ? "bridge_up" : "link_up";
  }
  return "modified";
}

function isGone(state: JsonObject): boolean {
  return Object.keys(state).length === 0;
}
