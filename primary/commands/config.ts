// `isochron-primary config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadPrimaryConfig, type PrimaryConfig, primaryConfigSchema } from "../config.js";

export const config = configCommand({ schema: primaryConfigSchema, load: loadPrimaryConfig, advise: adviseOnLevels });

/** What embeds is loaded when it is needed: every other command starts faster without it. */
async function adviseOnLevels(config: PrimaryConfig): Promise<string[]> {
  const { adviseOnLevels: advise } = await import("../make-levels.js");
  return advise(config);
}
