// A rule for a service of the tests, which says `Happened` of things.

import type { BusService } from "../../../../../primary/sources/dbus/bus-service.js";
import { createBusRule } from "../../../../../primary/sources/dbus/rule/bus-rule.js";
import { busRuleOptions } from "../../../../../primary/sources/dbus/rule/options.js";

export const NAME = "org.example.Things1";
export const PATH = "/org/example/Things1";
export const SOURCE = "dbus:things";
export const RULE = {
  name: "things",
  sender: NAME,
  element: "thing:{arg0}",
  element_type: "Thing",
  action: "happened",
};

/** The rule with other options, as the configuration makes it. */
export function ruleOf(options: object = {}): BusService {
  const [rule] = busRuleOptions.parse([{ ...RULE, ...options }]);
  if (!rule) throw new Error("the list has one rule");
  return createBusRule(rule);
}
