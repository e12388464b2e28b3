// The `login1` options of the D-Bus sources.
import { z } from "zod";
import { wholeNumber } from "../../../../shared/config/option-types.js";

export const login1Options = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record logins, shutdown and sleep, from systemd-logind."),
  delay_ms: wholeNumber(0, 60_000)
    .default(3000)
    .describe(
      "Longest time that shutdown and sleep are held up so that their event gets away; logind itself waits 5 s at most. 0: never.",
    ),
});

export type Login1Config = z.output<typeof login1Options>;
