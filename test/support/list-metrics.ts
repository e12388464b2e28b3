// Every metric that the daemons declare, for tests that hold the README and the alert rules against them; and a reader of
// what a scrape gives.
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { PRIMARY_METRICS, PrimaryMetrics } from "../../primary/metrics/primary-metrics.js";
import { REPLICA_METRICS, ReplicaMetrics } from "../../replica/metrics/replica-metrics.js";
import { MetricsPage } from "../../shared/metrics/metrics-page.js";
import { QueryMetrics } from "../../shared/metrics/query-metrics.js";
import { eventually, mustRun } from "./drive-fleet.js";
import type { FleetSide } from "./start-fleet.js";

export interface DeclaredMetric {
  name: string;
  type: string;
  labels: readonly string[];
  help: string;
  daemons: ("primary" | "replica")[];
}

/** In the order of a page, those of the primary first. */
export function listMetrics(): DeclaredMetric[] {
  const byName = new Map<string, DeclaredMetric>();
  for (const daemon of ["primary", "replica"] as const) {
    for (const metric of declaredBy(daemon)) {
      const known = byName.get(metric.name);
      if (known) {
        // Prometheus refuses a scrape in which one name has two meanings, and both daemons may share one.
        assert.deepEqual({ ...metric, daemons: known.daemons }, known);
        known.daemons.push(daemon);
      } else byName.set(metric.name, { ...metric, daemons: [daemon] });
    }
  }
  return [...byName.values()];
}

/** The table of the README. */
export function formatMetricTable(metrics: readonly DeclaredMetric[]): string {
  const rows = metrics.map(({ name, type, labels, help, daemons }) => {
    const where = daemons.length === 2 ? "both" : daemons[0];
    const shown = labels.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${where} | ${shown} | ${help} |`;
  });
  return ["| metric | type | of | labels | |", "|---|---|---|---|---|", ...rows].join("\n");
}

function declaredBy(daemon: "primary" | "replica"): Omit<DeclaredMetric, "daemons">[] {
  const registry = new Registry();
  const never = () => Promise.reject(new Error("nothing is scraped here"));
  const page = {
    registry,
    daemon,
    version: "",
    querySocket: "",
    state: never,
    answeredBy: () => ({ by: "child" as const }),
  };
  if (daemon === "primary") new PrimaryMetrics(registry, undefined);
  else new ReplicaMetrics(registry);
  if (daemon === "primary") new MetricsPage({ ...page, metrics: PRIMARY_METRICS });
  else new MetricsPage({ ...page, metrics: REPLICA_METRICS });
  const queries = new QueryMetrics(daemon, never);
  return [registry, queries.registry].flatMap((one) =>
    one.getMetricsAsArray().map((metric) => {
      const { name, help, labelNames } = metric as unknown as { name: string; help: string; labelNames: string[] };
      return { name, help, labels: labelNames, type: metric.constructor.name.toLowerCase() };
    }),
  );
}

export interface Scrape {
  text: string;
  /** Names of the metrics, as the `# TYPE` lines have them. */
  names: string[];
  /** The value of the only sample that has these labels, among others; undefined if there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined;
}

/** What the `metrics` command prints. */
export async function scrape(side: FleetSide): Promise<Scrape> {
  return readScrape(`${await mustRun(side, "metrics")}\n`);
}

/** As `scrape`, once the query process answers too: on a busy machine it may miss one. */
export async function scrapeAll(side: FleetSide): Promise<Scrape> {
  let last: Scrape | undefined;
  await eventually(
    async () => {
      last = await scrape(side);
      return last.value("isochron_query_process_up") === 1;
    },
    () => `the query process does not answer:\n${last?.text}`,
  );
  return last as Scrape;
}

export function readScrape(text: string): Scrape {
  const lines = text.split("\n");
  const names = lines.flatMap((line) => /^# TYPE (\S+) /.exec(line)?.[1] ?? []);
  const value = (name: string, labels: Record<string, string> = {}) => {
    const wanted = Object.entries(labels).map(([label, is]) => `${label}=${JSON.stringify(is)}`);
    const samples = lines.filter((line) => new RegExp(`^${name}[{ ]`).test(line));
    const found = samples.filter((line) => wanted.every((one) => line.includes(one)));
    if (found.length > 1) throw new Error(`several samples fit: ${found.join("\n")}`);
    return found[0] === undefined ? undefined : Number(found[0].slice(found[0].lastIndexOf(" ") + 1));
  };
  return { text, names, value };
}
