// `push.pins`: how much the bases of replicas that are away may cost.
import { z } from "zod";
import { duration, size } from "../../../shared/config/option-types.js";
import type { PinBounds } from "./bound-pins.js";

const SHARE_RULE = "must be a share of the volume from 1% to 90%, such as 20%";

const share = z.string(SHARE_RULE).transform((text, context) => {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())?.[1] ?? Number.NaN);
  if (percent >= 1 && percent <= 90) return percent;
  context.addIssue({ code: "custom", message: SHARE_RULE });
  return z.NEVER;
});

export const pinOptions = z.strictObject({
  max_age: duration("1s", "520w")
    .prefault("7d")
    .describe(
      "A replica's base is kept for it until it has been out of date for so long. Past this and the next three, it gets all of the store when it is back.",
    ),
  max_bytes: size(1024 * 1024)
    .optional()
    .describe("Most bytes that such bases may hold which nothing else does; the longest out of date goes first."),
  max_share: share.prefault("20%").describe("The same as a share of the volume."),
  min_free_bytes: size(0)
    .prefault("64MiB")
    .describe("While less is free on the volume, such bases go too: the ledger must not stop for them."),
});

export function pinBounds({ max_age, max_bytes, max_share, min_free_bytes }: z.output<typeof pinOptions>): PinBounds {
  return { maxAgeMs: max_age, maxBytes: max_bytes, maxSharePercent: max_share, minFreeBytes: min_free_bytes };
}
