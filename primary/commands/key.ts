// `isochron-primary key`: the public halves of this primary's keys, in the forms in which replicas need them; `key rotate`
// changes the one that signs checkpoints.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { readTransportKey } from "../../shared/store/key-files.js";
import { loadPrimaryConfig } from "../config.js";
import { describeKeys, type KeyState } from "../keys/key-steps.js";
import { SigningKeys } from "../keys/signing-keys.js";
import { rotate } from "./rotate-key.js";

const FORCED_COMMAND = 'restrict,command="isochron-replica receive"';

interface KeyArguments extends GlobalArguments {
  only: "vkey" | "next" | "ssh" | "authorized" | undefined;
  json: boolean;
}

export const key = defineCommand<KeyArguments>({
  command: "key",
  describe: "Print the public keys that replicas need, or change the one that signs",
  builder: (yargs) =>
    yargs
      .command(rotate)
      .option("only", {
        choices: ["vkey", "next", "ssh", "authorized"] as const,
        describe:
          "Print one alone: the vkey, the one that was prepared, the ssh key, the replica's authorized_keys line",
      })
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([
        ["$0 key --only authorized", "The line for ~isochron/.ssh/authorized_keys on a replica"],
        ["$0 key rotate --prepare", "Make the next key: see `key rotate --help`"],
      ]),
  handler: async ({ only, json, ...args }) => {
    const { root } = (await loadPrimaryConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    const { origin } = await loadPrimaryIdentity(root);
    const state = describeKeys(await SigningKeys.open(root, origin));
    const { publicKey: ssh } = await readTransportKey(root);
    const keys = { ...state, ssh, authorized: `${FORCED_COMMAND} ${ssh}` };
    if (only) process.stdout.write(keys[only] === null ? "" : `${keys[only]}\n`);
    else if (json) process.stdout.write(`${JSON.stringify({ origin, ...keys })}\n`);
    else process.stdout.write(formatKeys(keys));
  },
});

function formatKeys({ vkey, next, retired, ssh, authorized }: KeyState & { ssh: string; authorized: string }): string {
  const lines = [
    ["vkey", vkey],
    ...(next === null ? [] : [["next", next]]),
    ...retired.map((old) => ["retired", old]),
    ["ssh", ssh],
    ["authorized", authorized],
  ];
  return lines.map(([name = "", value]) => `${name.padEnd(12)}${value}\n`).join("");
}
