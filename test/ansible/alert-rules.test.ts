// The alert rules in ansible/, tried by promtool, and held against what the daemons really export.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { parse } from "yaml";
import { LINK_HEALTH } from "../../primary/push/health/assess-health.js";
import { SOURCE_CONDITIONS } from "../../primary/sources/source-rows.js";
import { listMetrics } from "../support/list-metrics.js";
import { program, requirePart } from "../support/require-part.js";

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const ROOT_FOLDER = new URL("../../../", import.meta.url);
const RULES = fileURLToPath(new URL("ansible/roles/common/files/isochron-alerts.yml", ROOT_FOLDER));
const TRIALS = fileURLToPath(new URL("test/ansible/isochron-alerts.test.yml", ROOT_FOLDER));
const PROMTOOL = program("promtool", "prometheus");
/** What Prometheus itself adds. */
const OF_PROMETHEUS = ["up", "instance", "job"];

async function readRules(): Promise<Rule[]> {
  const { groups } = parse(await readFile(RULES, "utf8")) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

describe("alert rules", () => {
  test("promtool takes the rules", async (t) => {
    if (!(await requirePart(t, PROMTOOL))) return;
    const { exitCode, all } = await execa("promtool", ["check", "rules", RULES], { reject: false, all: true });
    assert.equal(exitCode, 0, all);
  });

  test("each alert fires for what is ill, not for what is well beside it, and not before its time", async (t) => {
    if (!(await requirePart(t, PROMTOOL))) return;
    const { exitCode, all } = await execa("promtool", ["test", "rules", TRIALS], { reject: false, all: true });
    assert.equal(exitCode, 0, all);
  });

  test("every alert is tried both ways", async () => {
    const { tests } = parse(await readFile(TRIALS, "utf8")) as {
      tests: { promql_expr_test: { expr: string; exp_samples: unknown[] }[] }[];
    };
    const trials = tests.flatMap(({ promql_expr_test: checks }) => checks);
    for (const { alert } of await readRules()) {
      const mine = trials
        .filter(({ expr }) => expr.includes(`"${alert}"`))
        .map(({ exp_samples: expected }) => expected);
      assert.ok(
        mine.some(({ length }) => length > 0),
        `${alert} is never seen to fire`,
      );
      assert.ok(
        mine.some(({ length }) => length === 0),
        `${alert} is never seen not to fire`,
      );
    }
  });

  test("every metric, label and state that a rule names is one that the daemons export", async () => {
    const metrics = listMetrics();
    const labels = new Set(["daemon", ...OF_PROMETHEUS, ...metrics.flatMap((metric) => metric.labels)]);
    const states: readonly string[] = [...LINK_HEALTH, ...SOURCE_CONDITIONS];
    for (const { alert, expr, annotations } of await readRules()) {
      const named = `${expr} ${annotations.description}`.match(/\bisochron_[a-z_]+/g) ?? [];
      assert.ok(named.length > 0 || expr.startsWith("up{"), `${alert} names no metric`);
      for (const name of named) assert.ok(isExported(name), `${alert}: there is no ${name}`);
      for (const [, label] of `${annotations.summary} ${annotations.description}`.matchAll(/\$labels\.([a-z_]+)/g))
        assert.ok(labels.has(label as string), `${alert}: there is no label ${label}`);
      for (const [, state] of expr.matchAll(/state="([^"]+)"/g))
        assert.ok(states.includes(state as string), `${alert}: there is no state ${state}`);
    }
    function isExported(name: string): boolean {
      return metrics.some((metric) => metric.name === name);
    }
  });

  test("every state of a link that an operator must mend has an alert", async () => {
    const watched = (await readRules()).flatMap(({ expr }) => /link_health\{state="([^"]+)"/.exec(expr)?.[1] ?? []);
    // One that has just started, one that is well, and one that an operator holds.
    const quiet = ["connecting", "healthy", "paused"];
    assert.deepEqual([...watched, ...quiet].sort(), [...LINK_HEALTH].sort());
  });

  test("every alert says how urgent it is, what it is about and what to do", async () => {
    for (const { alert, labels, annotations } of await readRules()) {
      assert.match(labels.severity, /^(page|warning)$/, alert);
      assert.match(annotations.summary, /\{\{ \$labels\.[a-z]+ \}\}/, alert);
      assert.ok(annotations.description.length > 40, alert);
    }
  });
});
