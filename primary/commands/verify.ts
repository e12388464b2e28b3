// `isochron-primary verify`
import { verifyCommand } from "../../shared/cli/verify-command.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { loadPrimaryConfig } from "../config.js";

export const verify = verifyCommand({
  async open(args) {
    const { root } = (await loadPrimaryConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    return { root, keys: [(await loadPrimaryIdentity(root)).signer] };
  },
});
