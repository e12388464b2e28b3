// The option group `sources.replicas`.
import { z } from "zod";
import { wholeNumber } from "../../../shared/config/option-types.js";

export const replicasOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record in the ledger when a replica becomes healthy, lagging, unreachable and so on."),
  settle_seconds: wholeNumber(0, 3600)
    .default(5)
    .describe(
      "How long a state must last to be recorded. What needs someone (diverged, full and so on) does not wait.",
    ),
});
