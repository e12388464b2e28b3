// `isochron-replica model`
import { modelCommand } from "../../shared/cli/model-command.js";
import { loadReplicaConfig } from "../config.js";

export const model = modelCommand({
  bin: "isochron-replica",
  async rootOf(args) {
    const { root } = (await loadReplicaConfig(args)).config;
    const [{ ensureMounted }, { loadReplicaIdentity }] = await Promise.all([
      import("../../shared/store/volume.js"),
      import("../../shared/store/identity.js"),
    ]);
    await ensureMounted(root);
    await loadReplicaIdentity(root);
    return root;
  },
  async levelsOf() {
    return [];
  },
});
