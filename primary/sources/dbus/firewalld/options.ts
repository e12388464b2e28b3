// The `firewalld` options of the D-Bus sources.
import { z } from "zod";

export const firewalldOptions = z.strictObject({
  enabled: z.boolean("must be true or false").default(true).describe("Record zones, policies and state of firewalld."),
});

export type FirewalldConfig = z.output<typeof firewalldOptions>;
