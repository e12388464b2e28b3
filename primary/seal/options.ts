// Options of seals: `seal` of the primary's configuration, and the strategy that they make.
import { z } from "zod";
import { duration, wholeNumber } from "../../shared/config/option-types.js";
import { SEAL_INTERVALS } from "./seal-interval.js";
import type { SealStrategy } from "./seal-strategy.js";

const STRATEGIES = ["realtime", "batch", "priority", "interval"] as const satisfies readonly SealStrategy["kind"][];

const MOST_DELAY_MS = 3_600_000;

const delay = (usualMs: number, leastMs = 1) => wholeNumber(leastMs, MOST_DELAY_MS).default(usualMs);

const batch = z.strictObject({
  max_events: wholeNumber(1, 1_000_000)
    .default(1000)
    .describe("With `strategy: batch`: a generation is made once so many events wait."),
  max_delay: duration("10ms", "1w")
    .prefault("30s")
    .describe("With `strategy: batch`: longest wait of an event for its generation. Critical ones wait too."),
});

export const sealOptions = z.strictObject({
  strategy: z
    .enum(STRATEGIES, `must be one of ${STRATEGIES.join(", ")}`)
    .default("priority")
    .describe(
      "When generations are made: `priority`, by the most urgent event that waits; `realtime`, at once, which costs a push for every change; `batch`; or `interval`. Replicas have no event before its generation.",
    ),
  critical_ms: delay(0, 0).describe(
    "With `strategy: priority`: longest wait of a critical event, ms. Replicas should have it within 100 ms.",
  ),
  high_ms: delay(800).describe("The same of a high event, ms; what is left of 1 s is for the push."),
  medium_ms: delay(5000).describe("The same of a medium event, ms."),
  low_ms: delay(30_000).describe("The same of a low event, ms. A host that is lost takes what waits with it."),
  batch: batch.prefault({}),
  interval: z
    .enum(SEAL_INTERVALS, `must be one of ${SEAL_INTERVALS.join(", ")}`)
    .default("15min")
    .describe(
      "With `strategy: interval`: how often, on the grid of UTC: quarters of an hour, midnights, Monday's midnight. Critical events wait too. `per-op` is as `realtime`.",
    ),
});

export function makeStrategy(options: z.output<typeof sealOptions>): SealStrategy {
  const { strategy, critical_ms: critical, high_ms: high, medium_ms: medium, low_ms: low, batch, interval } = options;
  switch (strategy) {
    case "realtime":
      return { kind: "realtime" };
    case "batch":
      return { kind: "batch", maxEvents: batch.max_events, maxDelayMs: batch.max_delay };
    case "priority":
      return { kind: "priority", delaysMs: { critical, high, medium, low } };
    case "interval":
      return { kind: "interval", interval };
  }
}
