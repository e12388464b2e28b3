// `isochron-primary config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadPrimaryConfig, type PrimaryConfig, primaryConfigSchema } from "../config.js";

export const config = configCommand({ schema: primaryConfigSchema, load: loadPrimaryConfig, advise });

/** What embeds is loaded when it is needed: every other command starts faster without it. */
async function advise(config: PrimaryConfig): Promise<string[]> {
  const [{ adviseOnUser }, { adviseOnLevels }] = await Promise.all([
    import("../../shared/config/find-user.js"),
    import("../make-levels.js"),
  ]);
  return [...(await adviseOnUser("query.user", config.query.user)), ...(await adviseOnLevels(config))];
}
