import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { formatMetricTable, listMetrics } from "../../support/list-metrics.js";

const README = new URL("../../../../README.md", import.meta.url);

test("the README's table has every metric that the daemons declare, with its labels and its meaning", async () => {
  const table = formatMetricTable(listMetrics());
  const readme = await readFile(README, "utf8");
  assert.ok(readme.includes(`\n${table}\n`), `the table in README.md must be:\n${table}`);
});

test("every metric has a help text, a name of ours, and the endings that Prometheus expects", () => {
  for (const { name, type, help } of listMetrics()) {
    assert.match(name, /^isochron_[a-z_]+[a-z]$/);
    assert.ok(help.length > 10, name);
    assert.equal(type === "counter", name.endsWith("_total"), `${name} is a ${type}`);
  }
});
