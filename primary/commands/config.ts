// `isochron-primary config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadPrimaryConfig, primaryConfigSchema } from "../config.js";

export const config = configCommand({ schema: primaryConfigSchema, load: loadPrimaryConfig });
