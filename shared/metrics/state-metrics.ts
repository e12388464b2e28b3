// Metrics whose values a state object has already, such as the answer of `status`: they are read from it at each scrape,
// so that metrics and status can't disagree. What is no longer in the state is no longer exported.
import { Counter, Gauge, type Registry } from "prom-client";

export type Labels = Readonly<Record<string, string>>;
/** A value that is not known (yet) is left out. */
export type Sample = readonly [labels: Labels, value: number | null | undefined];

export interface StateMetric<State> {
  name: string;
  /** A counter only grows, but for a restart: `rate()` and `increase()` are meant for it. */
  type: "gauge" | "counter";
  help: string;
  labels?: readonly string[];
  read(state: State): Iterable<Sample>;
}

/** One metric without labels. */
export function single<State>(
  name: string,
  help: string,
  read: (state: State) => number | null | undefined,
  type: StateMetric<State>["type"] = "gauge",
): StateMetric<State> {
  return { name, type, help, read: (state) => [[{}, read(state)]] };
}

/** Declares the metrics in `registry`. The function it returns sets them all, without a pause between two of them. */
export function declareStateMetrics<State>(
  registry: Registry,
  metrics: readonly StateMetric<State>[],
): (state: State) => void {
  const declared = metrics.map((metric) => declare(registry, metric));
  return (state) => {
    for (const show of declared) show(state);
  };
}

function declare<State>(registry: Registry, metric: StateMetric<State>): (state: State) => void {
  const { name, help, labels = [], read } = metric;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  const kept = metric.type === "gauge" ? new Gauge(options) : new Counter(options);
  return (state) => {
    const samples = [...read(state)];
    kept.reset();
    // `reset` makes a metric without labels 0, which is not the same as unknown.
    if (labels.length === 0) kept.remove();
    for (const [given, value] of samples) {
      if (value !== null && value !== undefined) kept.inc(given, value);
    }
  };
}
