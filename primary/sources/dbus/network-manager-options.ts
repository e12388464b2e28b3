// Options of the NetworkManager source.
import { z } from "zod";

export const networkManagerOptions = z.strictObject({
  enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe("Record devices, connections and connectivity. Where there is no NetworkManager it waits for it."),
});

export type NetworkManagerOptions = z.output<typeof networkManagerOptions>;
