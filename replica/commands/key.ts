// `isochron-replica key`: the public half of the key this replica cosigns with.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaIdentity } from "../../shared/store/identity.js";
import { loadReplicaConfig } from "../config.js";

export const key = defineCommand<GlobalArguments & { json: boolean }>({
  command: "key",
  describe: "Print the public key of this replica's cosignatures, in vkey form",
  builder: (yargs) =>
    yargs
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([["$0 key", "The vkey to check cosigned checkpoints with"]]),
  handler: async ({ json, ...args }) => {
    const { root } = (await loadReplicaConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    const { name, uuid, signer } = await loadReplicaIdentity(root);
    process.stdout.write(json ? `${JSON.stringify({ name, uuid, vkey: signer.vkey })}\n` : `${signer.vkey}\n`);
  },
});
