// `isochron-primary init`: makes the store this primary will have, once.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { parseLoopSize } from "../../shared/config/parse-loop-size.js";
import { readTransportKey } from "../../shared/store/key-files.js";
import { loadPrimaryConfig } from "../config.js";

interface InitArguments extends GlobalArguments {
  origin: string;
  loop: string | undefined;
  json: boolean;
}

export const init = defineCommand<InitArguments>({
  command: "init",
  describe: "Make a store, its keys and, with --loop, its btrfs volume",
  builder: (yargs) =>
    yargs
      .option("origin", {
        type: "string",
        demandOption: true,
        describe: "Name of the ledger, like a host name or a URL without its scheme; it can't be changed later",
      })
      .option("loop", {
        type: "string",
        describe: "Make a loop-mounted volume of this size beside the root, such as 4G; else the root is on btrfs",
      })
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([["$0 init --root /var/lib/isochron/primary --loop 4G --origin host1.example.org/isochron", "A store"]]),
  handler: async ({ json, loop, origin, ...args }) => {
    const { root } = (await loadPrimaryConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const [{ initPrimary }, { missingMountOptions }] = await Promise.all([
      import("../../shared/store/init-root.js"),
      import("../../shared/store/volume.js"),
    ]);
    const loopBytes = loop === undefined ? undefined : parseLoopSize(loop);
    const identity = await initPrimary({ root, loopBytes, origin });
    const { uuid, signer } = identity;
    const sshKey = (await readTransportKey(root)).publicKey;
    const missing = await missingMountOptions(root);
    if (json) {
      process.stdout.write(
        `${JSON.stringify({ root, uuid, origin, vkey: signer.vkey, ssh_key: sshKey, missing_mount_options: missing })}\n`,
      );
      return;
    }
    process.stdout.write(
      `store    ${uuid} of ${origin}, in ${root}\nvkey     ${signer.vkey}\nssh key  ${sshKey}\n` +
        `next     on each replica: isochron-replica init --name NAME --trust '${signer.vkey}'\n` +
        "         then here: isochron-primary serve\n",
    );
    if (missing.length > 0) {
      process.stderr.write(`warning: ${root} is mounted without ${missing.join(", ")}; mount it with them\n`);
    }
  },
});
