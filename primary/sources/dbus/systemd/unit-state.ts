// What is recorded of a unit, and what a change of it is called. Pure: fed by the snapshot and by signals alike, so that both
// come to the same state. States that a unit only passes through on its way up are never recorded.
import type { JsonValue } from "../../../../shared/format/canonical-json.js";
import type { JsonObject, NameChange } from "../../watch/element-change.js";
import { isFailure } from "./last-run.js";
import { isTemplate, unitType } from "./unit-name.js";

/** systemd's own words for where a unit stands. */
export interface Activity {
  /** `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`. */
  active: string;
  /** `running`, `exited`, `dead`, `auto-restart`, `stop-sigterm`, …; left empty where it follows from use alone. */
  sub: string;
}

export interface UnitFacts {
  /** From its file: `enabled`, `disabled`, `static`, `masked`, …; undefined for a unit without a file. */
  fileState?: string | undefined;
  description?: string | undefined;
  /** Set where systemd could not load it: `not-found`, `bad-setting`, `error`. */
  loadProblem?: string | undefined;
}

export const UNIT_TYPE = "SystemdUnit";

/** A unit without a file of its own is gone once it is no longer active: nothing could start it under that name. */
export function unitState(name: string, { active, sub }: Activity, facts: UnitFacts, result?: string): JsonObject {
  const { fileState, description, loadProblem } = facts;
  if (active === "inactive" && fileState === undefined) return {};
  const state: JsonObject = isTemplate(name) ? {} : { active_state: active };
  if (sub !== "" && !isTemplate(name)) state.sub_state = sub;
  if ((active === "failed" || isAutoRestart({ active, sub })) && isFailure(result)) state.result = result as string;
  if (fileState !== undefined) state.unit_file_state = fileState;
  if (description !== undefined) state.description = description;
  if (loadProblem !== undefined) state.load_state = loadProblem;
  return state;
}

/** A timer's or socket's sub-state changes each time it is used, a mount's never by itself: only a service's is kept. */
export function activityOf(name: string, active: string, sub: string): Activity {
  return { active, sub: unitType(name) === "service" ? sub : "" };
}

/**
 * What to record of a unit that a snapshot finds on its way: the signals that end the way come later. `recorded` is its
 * recorded state, if there is any.
 */
export function settle(now: Activity, recorded: JsonObject | undefined): Activity {
  const was = recorded?.active_state;
  const known = typeof was === "string" ? { active: was, sub: String(recorded?.sub_state ?? "") } : undefined;
  if (now.active === "reloading") return known?.active === "active" ? known : upFrom(now);
  if (now.active === "activating" && !(isAutoRestart(now) && known?.active === "active")) return known ?? now;
  if (now.active === "deactivating" && known && known.active !== "active") return known;
  return now;
}

/** What the new activity of a unit is called; undefined where it is no event. */
export function actionOf(recorded: JsonObject, seen: Activity | undefined, now: Activity): string | undefined {
  const was = recorded.active_state ?? "inactive";
  if (now.active === "active") {
    if (was !== "active") return "started";
    if (seen?.active === "reloading") return "reloaded";
    return recorded.sub_state === undefined || now.sub === recorded.sub_state ? undefined : subAction(now.sub);
  }
  // Each try that fails is a failure, the second in a row too.
  if (now.active === "failed") return "failed";
  if (now.active === "inactive") return downAction(was);
  if (now.active === "deactivating") return was === "active" ? "stopping" : undefined;
  return isAutoRestart(now) && (was === "active" || was === "deactivating") ? "stopped" : undefined;
}

function downAction(was: JsonValue): string | undefined {
  if (was === "inactive") return undefined;
  // Recorded as `activating` it was between two tries, the first of which has failed.
  return was === "failed" || was === "activating" ? "cleared" : "stopped";
}

/** For what a snapshot finds different. */
export const nameUnitChange: NameChange = (before, after) => {
  const was = before.active_state ?? "inactive";
  const is = after.active_state ?? "inactive";
  if (Object.keys(after).length === 0) return goneAction(before);
  if (was !== is)
    return actionOf(before, undefined, { active: String(is), sub: String(after.sub_state ?? "") }) ?? "changed";
  if (Object.keys(before).length === 0) return "added";
  if (before.unit_file_state !== after.unit_file_state)
    return fileAction(before.unit_file_state, after.unit_file_state);
  return before.sub_state === after.sub_state ? "changed" : subAction(String(after.sub_state));
};

/** Between a failure and the next try; before systemd 252 also without `failed` in between. */
export function isAutoRestart({ active, sub }: Activity): boolean {
  return active === "activating" && sub.startsWith("auto-restart");
}

function goneAction(before: JsonObject): string {
  if (before.unit_file_state !== undefined) return "removed";
  return before.active_state === "failed" ? "cleared" : "stopped";
}

function fileAction(before: unknown, after: unknown): string {
  const [was, is] = [String(before), String(after)];
  if (is.startsWith("masked")) return "masked";
  if (was.startsWith("masked")) return "unmasked";
  if (is.startsWith("enabled")) return "enabled";
  return is === "disabled" ? "disabled" : "changed";
}

/** Its process has ended, and it counts as active all the same. */
function subAction(sub: string): string {
  return sub === "exited" ? "exited" : "changed";
}

function upFrom({ sub }: Activity): Activity {
  return { active: "active", sub: sub === "" ? "" : "running" };
}
