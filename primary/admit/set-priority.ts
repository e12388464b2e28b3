// The second interceptor: the priority of an event whose sender named none, by rules. It decides how soon the event's
// generation is sealed.
import type { Priority } from "../../shared/format/entry.js";
import type { Interceptor } from "../event.js";
import { createPriorityOf, type PriorityRule } from "./priority-rules.js";

export interface PriorityOptions {
  /** The first that matches decides. */
  rules?: readonly PriorityRule[];
  /** By action, where no rule matches. */
  byAction?: Readonly<Record<string, Priority>>;
}

/** Where neither says anything the built-in rules do; what they do not name stays undefined, which is low. */
export function createPriority({ rules = [], byAction = {} }: PriorityOptions): Interceptor {
  const priorityOf = createPriorityOf(rules, byAction);
  return {
    name: "priority",
    before(draft) {
      draft.priority ??= priorityOf(draft);
    },
  };
}
