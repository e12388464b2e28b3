// `isochron-replica config`
import { configCommand } from "../../shared/config/config-command.js";
import { loadReplicaConfig, replicaConfigSchema } from "../config.js";

export const config = configCommand({
  schema: replicaConfigSchema,
  load: loadReplicaConfig,
  advise: async ({ query }) => {
    const { adviseOnUser } = await import("../../shared/config/find-user.js");
    return adviseOnUser("query.user", query.user);
  },
});
