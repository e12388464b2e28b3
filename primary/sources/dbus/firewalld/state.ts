// What firewalld is as a whole: running or failed, in panic or not, and which zone is for what has none.
import { plainValue } from "../../../../shared/dbus/plain-value.js";
import type { JsonValue } from "../../../../shared/format/canonical-json.js";
import type { JsonObject } from "../../watch/element-change.js";

export const FIREWALL_TYPE = "Firewall";

export interface FirewallAnswers {
  defaultZone: unknown;
  panic: unknown;
  logDenied: unknown;
}

export function firewallState({ state }: JsonObject, { defaultZone, panic, logDenied }: FirewallAnswers): JsonObject {
  return {
    state: lowerCase(state),
    default_zone: plainValue(defaultZone),
    panic: panic === true,
    log_denied: plainValue(logDenied),
  };
}

/** The gravest of what changed gives the name. */
export function nameFirewallChange(before: JsonObject, after: JsonObject): string {
  if (before.state !== after.state) return STATE_ACTIONS.get(String(after.state)) ?? "modified";
  if (before.panic !== after.panic) return after.panic === true ? "panic_enabled" : "panic_disabled";
  if (before.default_zone !== after.default_zone) return "default_zone_changed";
  return "modified";
}

/** Failed: it fell back to the rules it came with. */
const STATE_ACTIONS = new Map([
  ["running", "started"],
  ["failed", "failed"],
  ["stopped", "stopped"],
]);

function lowerCase(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value.toLowerCase() : null;
}
