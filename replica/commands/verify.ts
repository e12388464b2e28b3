// `isochron-replica verify`
import { verifyCommand } from "../../shared/cli/verify-command.js";
import { loadReplicaIdentity } from "../../shared/store/identity.js";
import { readRetiredKeys, readTrustedKeys } from "../../shared/store/vkey-lists.js";
import { loadReplicaConfig } from "../config.js";

export const verify = verifyCommand({
  async open(args) {
    const { root, trust } = (await loadReplicaConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    // Its own key too: the accepted head carries this replica's cosignature.
    const { signer } = await loadReplicaIdentity(root);
    return { root, keys: [...(await readTrustedKeys(root, trust)), signer], retired: await readRetiredKeys(root) };
  },
});
