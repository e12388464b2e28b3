// The second interceptor: the priority of an event whose sender named none, by its action. It decides how soon the event's generation is sealed.
import type { Priority } from "../../shared/format/entry.js";
import type { Interceptor } from "../event.js";

/** The default of `priorities`: actions that are not listed are `low`. */
export const ACTION_PRIORITIES: Readonly<Record<string, Priority>> = {
  security_breach: "critical",
  system_failure: "critical",
  bridge_down: "high",
  interface_error: "high",
  config_changed: "medium",
};

export function createPriority(priorities: Readonly<Record<string, Priority>>): Interceptor {
  const byAction = new Map(Object.entries(priorities));
  return {
    name: "priority",
    before(draft) {
      draft.priority ??= byAction.get(draft.action);
    },
  };
}
