// `isochron-replica key`: the public half of the key this replica cosigns with; `key rotate` replaces it.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaIdentity, type ReplicaIdentity } from "../../shared/store/identity.js";
import { loadReplicaConfig } from "../config.js";
import { replaceCosignKey } from "../cosign-key.js";

type KeyArguments = GlobalArguments & { json: boolean };

const rotate = defineCommand<KeyArguments & { "dry-run": boolean }>({
  command: "rotate",
  describe: "Cosign with another key from the next hello on; a running daemon needs no restart",
  builder: (yargs) =>
    yargs
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "Say which key would be replaced; change nothing",
      })
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([["$0 key rotate", "The old key is gone; give the new vkey to whoever checks cosignatures"]]),
  handler: async ({ json, "dry-run": dryRun, ...args }) => {
    const { root, name, uuid, signer: old } = await openReplica(args);
    const { vkey } = dryRun ? old : await replaceCosignKey(root, name);
    const answer = { name, uuid, dry_run: dryRun, vkey, was: old.vkey };
    const text = dryRun ? `would replace ${old.vkey}` : `${vkey}\nwas ${old.vkey}`;
    process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${text}\n`);
  },
});

export const key = defineCommand<KeyArguments>({
  command: "key",
  describe: "Print the public key of this replica's cosignatures, in vkey form, or replace the key",
  builder: (yargs) =>
    yargs
      .command(rotate)
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([
        ["$0 key", "The vkey to check cosigned checkpoints with"],
        ["$0 key rotate", "Cosign with another key"],
      ]),
  handler: async ({ json, ...args }) => {
    const { name, uuid, signer } = await openReplica(args);
    process.stdout.write(json ? `${JSON.stringify({ name, uuid, vkey: signer.vkey })}\n` : `${signer.vkey}\n`);
  },
});

async function openReplica(args: GlobalArguments): Promise<ReplicaIdentity & { root: string }> {
  const { root } = (await loadReplicaConfig(args)).config;
  // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
  const { ensureMounted } = await import("../../shared/store/volume.js");
  await ensureMounted(root);
  return { root, ...(await loadReplicaIdentity(root)) };
}
