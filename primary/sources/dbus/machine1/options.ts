// The `machine1` options of the D-Bus sources.
import { z } from "zod";

export const machine1Options = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record containers and virtual machines, from systemd-machined."),
});

export type Machine1Config = z.output<typeof machine1Options>;
