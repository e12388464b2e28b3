// `isochron-primary config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadPrimaryConfig, primaryConfigSchema } from "../config.js";
import { adviseOnLevels } from "../make-levels.js";

export const config = configCommand({ schema: primaryConfigSchema, load: loadPrimaryConfig, advise: adviseOnLevels });
