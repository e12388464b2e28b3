// `isochron-replica config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadReplicaConfig, replicaConfigSchema } from "../config.js";

export const config = configCommand({ schema: replicaConfigSchema, load: loadReplicaConfig });
