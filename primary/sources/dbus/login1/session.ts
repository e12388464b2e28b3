// A login session as the ledger keeps it: what logind knows of it, without how long it has been idle.
import type { JsonObject } from "../../watch/element-change.js";
import { sinceOf, textOrNull } from "../property-values.js";

/** Properties that change by themselves while nobody types. */
const IDLE = new Set(["IdleHint", "IdleSinceHint", "IdleSinceHintMonotonic"]);

export function sessionState(properties: JsonObject, bootId: string): JsonObject {
  const { Id, Name, User, Seat, TTY, Remote, RemoteHost, RemoteUser, Service, Type, Class } = properties;
  return {
    id: Id ?? null,
    user: textOrNull(Name),
    uid: firstOf(User),
    seat: textOrNull(firstOf(Seat)),
    tty: textOrNull(TTY),
    remote: Remote === true,
    remote_host: textOrNull(RemoteHost),
    remote_user: textOrNull(RemoteUser),
    service: textOrNull(Service),
    type: textOrNull(Type),
    class: textOrNull(Class),
    leader: properties.Leader ?? null,
    state: stateOf(properties),
    locked: properties.LockedHint === true,
    since: sinceOf(properties.Timestamp),
    boot_id: bootId,
  };
}

export function nameSessionChange(before: JsonObject, after: JsonObject): string {
  if (Object.keys(after).length === 0) return "closed";
  if (Object.keys(before).length === 0) return "opened";
  if (before.state !== after.state) return STATE_ACTIONS.get(String(after.state)) ?? "modified";
  if (before.locked !== after.locked) return after.locked === true ? "locked" : "unlocked";
  return "modified";
}

const STATE_ACTIONS = new Map([
  ["active", "activated"],
  ["online", "deactivated"],
  ["closing", "closing"],
]);

export function isIdleOnly(changed: Record<string, unknown>): boolean {
  const names = Object.keys(changed);
  return names.length > 0 && names.every((name) => IDLE.has(name));
}

/** logind does not tell when `opening` ends: a state that nobody would correct is not recorded. */
function stateOf({ State, Active }: JsonObject): string {
  if (State === "closing") return "closing";
  return Active === true ? "active" : "online";
}

/** User and seat are pairs of a name and an object path. */
function firstOf(pair: JsonObject[string] | undefined): string | number | null {
  const [first] = Array.isArray(pair) ? pair : [];
  return typeof first === "string" || typeof first === "number" ? first : null;
}
