// Zones and policies as the ledger keeps them: all their settings, in the notation of firewall-cmd, in an order that does
// not depend on the order they were made in.
import type { JsonValue } from "../../../../shared/format/canonical-json.js";
import type { JsonObject } from "../../watch/element-change.js";

/** firewalld leaves out what is empty; a change to and from empty reads better when both ends are there. */
const COMMON: JsonObject = {
  target: null,
  services: [],
  ports: [],
  protocols: [],
  source_ports: [],
  forward_ports: [],
  icmp_blocks: [],
  masquerade: false,
  rich_rules: [],
};
const ZONE: JsonObject = { ...COMMON, interfaces: [], sources: [], icmp_block_inversion: false, forward: false };
const POLICY: JsonObject = { ...COMMON, ingress_zones: [], egress_zones: [], priority: null };

/** Words about it, and what firewalld keeps for older clients. */
const LEFT_OUT = new Set(["version", "short", "description", "UNUSED"]);
/** The names of rich rules in zones and in policies. */
const RICH_RULES = new Set(["rules_str", "rich_rules"]);

export function zoneState(settings: JsonObject): JsonObject {
  return { ...ZONE, ...settingsState(settings) };
}

export function policyState(settings: JsonObject): JsonObject {
  return { ...POLICY, ...settingsState(settings) };
}

export function nameRulesChange(before: JsonObject, after: JsonObject): string {
  if (Object.keys(after).length === 0) return "removed";
  return Object.keys(before).length === 0 ? "added" : "modified";
}

/** Settings that a later firewalld adds are kept under its names. */
function settingsState(settings: JsonObject): JsonObject {
  const kept = Object.entries(settings).filter(([name]) => !LEFT_OUT.has(name));
  return Object.fromEntries(
    kept.map(([name, value]) => [RICH_RULES.has(name) ? "rich_rules" : name, inOrder(name, value)]),
  );
}

function inOrder(name: string, value: JsonValue): JsonValue {
  if (!Array.isArray(value)) return value;
  return value.map((item) => (Array.isArray(item) ? asText(name, item) : item)).sort(byText);
}

/** `8080/tcp`, or `port=80:proto=tcp:toport=8080:toaddr=10.0.0.1`. */
function asText(name: string, parts: readonly JsonValue[]): string {
  if (name !== "forward_ports") return parts.map(String).join("/");
  const [port, proto, toport, toaddr] = parts.map(String);
  const to = [toport && `toport=${toport}`, toaddr && `toaddr=${toaddr}`].filter((part) => part);
  return [`port=${port}`, `proto=${proto}`, ...to].join(":");
}

function byText(left: JsonValue, right: JsonValue): number {
  const [a, b] = [String(left), String(right)];
  return a < b ? -1 : Number(a > b);
}
