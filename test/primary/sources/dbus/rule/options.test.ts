import assert from "node:assert/strict";
import { test } from "node:test";
import { busRuleOptions } from "../../../../../primary/sources/dbus/rule/options.js";
import { RULE } from "./rule-of-things.js";

/** The problems of a list of rules, as `path: message`. */
function problemsOf(...rules: object[]): string[] {
  const parsed = busRuleOptions.safeParse(rules);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

test("a placeholder that does not exist is a configuration error, which names the rule and those that exist", () => {
  const [problem, ...more] = problemsOf({ ...RULE, element: "unit:{argh}" });
  assert.deepEqual(more, []);
  assert.match(problem ?? "", /^0\.element: in rule things: there is no \{argh\}; there are \{path\}, .*\{arg0\}/);
  for (const action of ["{", "a}", "{}", "{arg64}", "{arg1.}", "{{path}}"]) {
    assert.match(problemsOf({ ...RULE, action })[0] ?? "", /^0\.action: in rule things: /, action);
  }
});

test("rules that could not be or would be confused are configuration errors", () => {
  const wrong: [object, string][] = [
    [{ sender: ":1.7" }, "0.sender: must be a well-known bus name"],
    [{ sender: "a'b.c" }, "0.sender: must be a well-known bus name"],
    [{ path: "/a/" }, "0.path: must be an object path"],
    [{ path: "/a", path_namespace: "/a" }, "0.path_namespace: in rule things: it may not stand beside path"],
    [{ interface: "Things" }, "0.interface: must be an interface name"],
    [{ member: "a.b" }, "0.member: must be a signal's name"],
    [{ name: "systemd1" }, "0.name: is the name of a built-in source"],
    [{ element_type: "a\nb" }, "0.element_type: must be one line"],
    [{ priority: "urgent" }, "0.priority: must be one of"],
    [{ coalesce_ms: 0 }, "0.coalesce_ms: must be a whole number"],
  ];
  for (const [options, message] of wrong) {
    assert.equal(problemsOf({ ...RULE, ...options })[0]?.slice(0, message.length), message);
  }
  assert.deepEqual(problemsOf(RULE, RULE), ["1.name: is there twice"]);
  const many = Array.from({ length: 21 }, (_, i) => ({ ...RULE, name: `r${i}` }));
  assert.match(problemsOf(...many)[0] ?? "", /at most 20 rules/);
  assert.deepEqual(problemsOf(...many.slice(1)), []);
});
