// `isochron-primary verify`
import { verifyCommand } from "../../shared/cli/verify-command.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { ensureMounted } from "../../shared/store/volume.js";
import { loadPrimaryConfig } from "../config.js";

export const verify = verifyCommand({
  async open(args) {
    const { root } = (await loadPrimaryConfig(args)).config;
    await ensureMounted(root);
    return { root, keys: [(await loadPrimaryIdentity(root)).signer] };
  },
});
