// The option group `query`, the same for both daemons.
import { z } from "zod";

/** As useradd(8) takes them. */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,30}\$?$/;
const RULE = "must be the name of a system user, such as isochron-query";

export const queryOptions = () =>
  z
    .strictObject({
      user: z
        .string(RULE)
        .regex(NAME, RULE)
        .refine((name) => name !== "root", "must not be root: leave it out, and a child of the daemon answers, as root")
        .optional()
        .describe(
          "System user as which `serve-queries` answers questions, in a process without privileges. Its group may read all that is held: give it one of its own. Without it a child of the daemon answers, as root.",
        ),
    })
    .prefault({});
