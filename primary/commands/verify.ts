// `isochron-primary verify`
import { verifyCommand } from "../../shared/cli/verify-command.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { loadPrimaryConfig } from "../config.js";
import { SigningKeys } from "../keys/signing-keys.js";

export const verify = verifyCommand({
  async open(args) {
    const { root } = (await loadPrimaryConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    const { signers, retired } = await SigningKeys.open(root, (await loadPrimaryIdentity(root)).origin);
    return { root, keys: [...signers], retired: [...retired] };
  },
});
