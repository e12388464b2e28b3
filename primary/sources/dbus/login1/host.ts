// The host itself as logind sees it: up, about to sleep, about to go down. Which boot it is tells one life of the host from
// the next: a shutdown nobody could tell of shows as the gap before `booted`.
import type { JsonObject } from "../../watch/element-change.js";

export type Power = "up" | "asleep" | "shutting_down";

export const HOST_ELEMENT = "host:power";
export const HOST_TYPE = "Host";

export function hostState(power: Power, bootId: string): JsonObject {
  return { power, boot_id: bootId };
}

/** By the manager's properties. They are never announced: the signals PrepareFor… are. */
export function powerOf({ PreparingForShutdown, PreparingForSleep }: JsonObject): Power {
  if (PreparingForShutdown === true) return "shutting_down";
  return PreparingForSleep === true ? "asleep" : "up";
}

export function nameHostChange(before: JsonObject, after: JsonObject): string {
  if (before.boot_id !== undefined && before.boot_id !== after.boot_id) return "booted";
  if (after.power === "shutting_down") return "shutdown_prepared";
  if (after.power === "asleep") return "sleep";
  if (before.power === "shutting_down") return "shutdown_cancelled";
  return before.power === "asleep" ? "wake" : "modified";
}
