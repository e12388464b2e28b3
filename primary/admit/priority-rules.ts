// Which priority an event has by the rules: the operator's, then by action, then our own. The rules that can match an action
// are picked out once for each action, so that an event walks only those, and mostly none.
import type { JsonValue } from "../../shared/format/canonical-json.js";
import type { Priority } from "../../shared/format/entry.js";
import type { EventDraft } from "../event.js";
import { createGlob } from "../match-glob.js";

/** Every condition that is given must hold. Names are globs with `*`. */
export interface PriorityRule {
  action?: string | undefined;
  type?: string | undefined;
  element?: string | undefined;
  source?: string | undefined;
  /** Dotted path into the state, such as `link.speed` or `ports.0.name`. It must be there. */
  field?: string | undefined;
  /** What must stand at `field`. */
  value?: string | number | boolean | undefined;
  priority: Priority;
}

export type PriorityOf = (draft: EventDraft) => Priority | undefined;

/** What any sender may call it. */
const ACTION_PRIORITIES: Readonly<Record<string, Priority>> = {
  security_breach: "critical",
  system_failure: "critical",
  bridge_down: "high",
  interface_error: "high",
  config_changed: "medium",
};

/** What our own sources write. */
const SOURCE_RULES: readonly PriorityRule[] = [
  { action: "failed", priority: "high" },
  { action: "gap", priority: "medium" },
  { action: "loss", priority: "medium" },
  { action: "deleted", type: "OvsBridge", priority: "high" },
  { action: "panic_enabled", type: "Firewall", priority: "high" },
  { action: "stopped", type: "Firewall", priority: "high" },
  { action: "shutdown_prepared", type: "Host", priority: "critical" },
  { action: "sleep", type: "Host", priority: "critical" },
  { action: "created", type: "File", priority: "medium" },
  { action: "modified", type: "File", priority: "medium" },
  { action: "deleted", type: "File", priority: "medium" },
];

/** The first rule that matches decides; undefined where none does. */
export function createPriorityOf(
  rules: readonly PriorityRule[],
  byAction: Readonly<Record<string, Priority>>,
): PriorityOf {
  const inOrder = [
    ...rules.map(compile),
    ...exactActions(byAction),
    ...exactActions(ACTION_PRIORITIES),
    ...SOURCE_RULES.map(compile),
  ];
  let known = new Map<string, readonly CompiledRule[]>();
  return (draft) => {
    let forAction = known.get(draft.action);
    if (!forAction) {
      if (known.size >= REMEMBERED_ACTIONS) known = new Map();
      forAction = rulesFor(draft.action, inOrder);
      known.set(draft.action, forAction);
    }
    for (const { matches, priority } of forAction) if (!matches || matches(draft)) return priority;
    return undefined;
  };
}

/** Distinct actions remembered; past it the memory starts anew, so hostile ones cannot grow it. */
const REMEMBERED_ACTIONS = 1000;

type Test = (draft: EventDraft) => boolean;

interface CompiledRule {
  matchesAction: (action: string) => boolean;
  /** The other conditions; undefined where there is none. */
  matches: Test | undefined;
  priority: Priority;
}

/** Those that can match events with this action; none behind one that matches all of them. */
function rulesFor(action: string, inOrder: readonly CompiledRule[]): CompiledRule[] {
  const rules = inOrder.filter(({ matchesAction }) => matchesAction(action));
  const decisive = rules.findIndex(({ matches }) => matches === undefined);
  return decisive < 0 ? rules : rules.slice(0, decisive + 1);
}

function exactActions(byAction: Readonly<Record<string, Priority>>): CompiledRule[] {
  return Object.entries(byAction).map(([name, priority]) => ({
    matchesAction: (action) => action === name,
    matches: undefined,
    priority,
  }));
}

function compile({ action, type, element, source, field, value, priority }: PriorityRule): CompiledRule {
  const tests: Test[] = [
    ...globTest(type, ({ elementType }) => elementType),
    ...globTest(source, (draft) => draft.source),
    ...globTest(element, ({ elementId }) => elementId),
    ...(field === undefined ? [] : [fieldTest(field.split("."), value)]),
  ];
  const all: Test = (draft) => tests.every((test) => test(draft));
  const matches = tests.length > 1 ? all : tests[0];
  return { matchesAction: createGlob(action ?? "*"), matches, priority };
}

function globTest(glob: string | undefined, nameOf: (draft: EventDraft) => string): Test[] {
  if (glob === undefined) return [];
  const matches = createGlob(glob);
  return [(draft) => matches(nameOf(draft))];
}

function fieldTest(path: readonly string[], wanted: PriorityRule["value"]): Test {
  return ({ state }) => {
    const found = valueAt(state, path);
    return found !== undefined && (wanted === undefined || found === wanted);
  };
}

const INDEX = /^\d+$/;

function valueAt(state: JsonValue, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = state;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    if (Array.isArray(value)) {
      if (!INDEX.test(part)) return undefined;
      value = value[Number(part)];
    } else value = value[part];
  }
  return value;
}
