// `isochron-primary key`: the public halves of this primary's keys, in the forms in which replicas need them.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { readTransportKey } from "../../shared/store/key-files.js";
import { loadPrimaryConfig } from "../config.js";

const FORCED_COMMAND = 'restrict,command="isochron-replica receive"';

interface KeyArguments extends GlobalArguments {
  only: "vkey" | "ssh" | "authorized" | undefined;
  json: boolean;
}

export const key = defineCommand<KeyArguments>({
  command: "key",
  describe: "Print the public keys that replicas need",
  builder: (yargs) =>
    yargs
      .option("only", {
        choices: ["vkey", "ssh", "authorized"] as const,
        describe: "Print one of them alone: the vkey, the ssh key, or the replica's authorized_keys line",
      })
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([["$0 key --only authorized", "The line for ~isochron/.ssh/authorized_keys on a replica"]]),
  handler: async ({ only, json, ...args }) => {
    const { root } = (await loadPrimaryConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    const { signer, origin } = await loadPrimaryIdentity(root);
    const { publicKey: ssh } = await readTransportKey(root);
    const keys = { vkey: signer.vkey, ssh, authorized: `${FORCED_COMMAND} ${ssh}` };
    if (only) process.stdout.write(`${keys[only]}\n`);
    else if (json) process.stdout.write(`${JSON.stringify({ origin, ...keys })}\n`);
    else process.stdout.write(`vkey        ${keys.vkey}\nssh         ${ssh}\nauthorized  ${keys.authorized}\n`);
  },
});
