// Options of rules for any D-Bus service: which signals are events, and of what.
import { z } from "zod";
import { wholeNumber } from "../../../../shared/config/option-types.js";
import { PRIORITIES } from "../../../../shared/format/entry.js";
import { PLACEHOLDERS, templateProblem } from "./template.js";

/** The bus refuses a connection's 513th match rule; each of ours takes two at the most, and the built-in sources few. */
export const MAX_RULES = 20;
const MAX_COALESCE_MS = 3_600_000;

/** Names of built-in sources: a rule's events are told from theirs by its name. */
const TAKEN: ReadonlySet<string> = new Set("NetworkManager systemd1 machine1 login1 FirewallD1".split(" "));

// The forms of names in https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-names
const ELEMENT = "[A-Za-z_][A-Za-z0-9_]*";
const BUS_NAME = /^[A-Za-z_-][A-Za-z0-9_-]*(?:\.[A-Za-z_-][A-Za-z0-9_-]*)+$/;
const INTERFACE = new RegExp(`^${ELEMENT}(?:\\.${ELEMENT})+$`);
const MEMBER = new RegExp(`^${ELEMENT}$`);
const PATH = /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/;
const MAX_NAME_CHARS = 255;
/** Of our own names: within what admission takes. */
const MAX_CHARS = 128;

const NAME_RULE = "must be letters, digits and . _ -, at most 64";
const BUS_NAME_RULE = "must be a well-known bus name such as org.freedesktop.UPower (:1.42 names no service for long)";
const PATH_RULE = "must be an object path such as /org/freedesktop/UPower";

function named(form: RegExp, message: string) {
  return z.string(message).max(MAX_NAME_CHARS, message).regex(form, message);
}

function template() {
  return z.string("must be text").min(1, "must not be empty").max(MAX_CHARS, `must be at most ${MAX_CHARS} characters`);
}

function line() {
  const message = `must be one line of 1 to ${MAX_CHARS} characters`;
  return z
    .string(message)
    .regex(/^\P{Cc}+$/u, message)
    .max(MAX_CHARS, message);
}

const busRule = z
  .strictObject({
    name: named(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, NAME_RULE)
      .refine((name) => !TAKEN.has(name), "is the name of a built-in source")
      .describe("What the rule is called; the `source` of its events is `dbus:<name>`."),
    sender: named(BUS_NAME, BUS_NAME_RULE).describe("Who may send the signals; those of anyone else are dropped."),
    path: named(PATH, PATH_RULE).optional().describe("Only signals from this object."),
    path_namespace: named(PATH, PATH_RULE).optional().describe("Only signals from this object and those below it."),
    interface: named(INTERFACE, "must be an interface name such as org.freedesktop.UPower")
      .optional()
      .describe("Only signals of this interface."),
    member: named(MEMBER, "must be a signal's name such as DeviceAdded").optional().describe("Only this signal."),
    element: template().describe(`Element id of the event; may hold ${PLACEHOLDERS}.`),
    element_type: line().describe("Element type of the event."),
    action: template().describe("Action of the event; the same placeholders."),
    priority: z
      .enum(PRIORITIES, `must be one of ${PRIORITIES.join(", ")}`)
      .optional()
      .describe("Priority of the event; by its action if left out."),
    actor: line().optional().describe("Actor of the event; `unknown` if left out."),
    coalesce_ms: wholeNumber(1, MAX_COALESCE_MS)
      .optional()
      .describe("Of an element's signals within so long only the last is an event. Left out, each is one."),
  })
  .superRefine((rule, context) => {
    const refuse = (field: keyof typeof rule, message: string) =>
      context.addIssue({
        code: "custom",
        path: [field],
        input: rule[field],
        message: `in rule ${rule.name}: ${message}`,
      });
    for (const field of ["element", "action"] as const) {
      const problem = templateProblem(rule[field]);
      if (problem !== undefined) refuse(field, problem);
    }
    if (rule.path !== undefined && rule.path_namespace !== undefined) {
      refuse("path_namespace", "it may not stand beside path; one of them is enough");
    }
  });

export const busRuleOptions = z
  .array(busRule)
  .max(MAX_RULES, `must be at most ${MAX_RULES} rules: the bus compares every signal on it with each of them`)
  .superRefine((rules, context) => {
    for (const [index, { name }] of rules.entries()) {
      if (rules.findIndex((other) => other.name === name) === index) continue;
      context.addIssue({ code: "custom", path: [index, "name"], input: name, message: "is there twice" });
    }
  })
  .default([])
  .describe("Signals of any other D-Bus service that are to be events.");

export type BusRuleOptions = z.output<typeof busRule>;
