// The priority of an event whose sender named none: by its action. It decides how soon the event's generation is sealed.
import type { Priority } from "../../shared/format/entry.js";

/** The default of `priorities`: actions that are not listed are `low`. */
export const ACTION_PRIORITIES: Readonly<Record<string, Priority>> = {
  security_breach: "critical",
  system_failure: "critical",
  bridge_down: "high",
  interface_error: "high",
  config_changed: "medium",
};

export function createPriorityOf(priorities: Readonly<Record<string, Priority>>): (action: string) => Priority {
  const byAction = new Map(Object.entries(priorities));
  return (action) => byAction.get(action) ?? "low";
}
