// The line of `status` that says whether metrics are served on the port that was asked for; there is none without one.
import type { MetricsState } from "../metrics/serve-metrics.js";

export function formatMetricsPort(state: MetricsState): string[] {
  if (state === null) return [];
  const { listen, listening, problem } = state;
  if (listening) return [`metrics   http://${listen}/metrics`];
  return [`metrics   not served on ${listen}: ${problem ?? "not yet"}`];
}
