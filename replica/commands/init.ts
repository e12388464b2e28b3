// `isochron-replica init`: makes the root that stores are received into, once.
import { hostname } from "node:os";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { parseLoopSize } from "../../shared/config/parse-loop-size.js";
import { loadReplicaConfig } from "../config.js";

interface InitArguments extends GlobalArguments {
  name: string;
  trust: string[];
  loop: string | undefined;
  json: boolean;
}

export const init = defineCommand<InitArguments>({
  command: "init",
  describe: "Make a replica's root, its key and, with --loop, its btrfs volume",
  builder: (yargs) =>
    yargs
      .option("name", { type: "string", default: hostname(), describe: "Name of this replica in its cosignatures" })
      .option("trust", {
        type: "string",
        array: true,
        default: [] as string[],
        describe: "vkey of a primary whose store is accepted (`isochron-primary key`); can be given several times",
      })
      .option("loop", {
        type: "string",
        describe: "Make a loop-mounted volume of this size beside the root, such as 4G; else the root is on btrfs",
      })
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example([["$0 init --root /var/lib/isochron/replica --loop 4G --trust 'host1+5c31…+AdnT…'", "A replica"]]),
  handler: async ({ json, loop, name, trust, ...args }) => {
    const { root } = (await loadReplicaConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const [{ initReplica }, { missingMountOptions }] = await Promise.all([
      import("../../shared/store/init-root.js"),
      import("../../shared/store/volume.js"),
    ]);
    const loopBytes = loop === undefined ? undefined : parseLoopSize(loop);
    const { uuid, signer } = await initReplica({ root, loopBytes, name, trust });
    const missing = await missingMountOptions(root);
    if (json) {
      process.stdout.write(
        `${JSON.stringify({ root, uuid, name, vkey: signer.vkey, trusted: trust, missing_mount_options: missing })}\n`,
      );
      return;
    }
    const next = trust.length > 0 ? "isochron-replica serve" : "isochron-replica trust VKEY, then serve";
    process.stdout.write(`replica  ${name} (${uuid}), in ${root}\nvkey     ${signer.vkey}\nnext     ${next}\n`);
    if (missing.length > 0) {
      process.stderr.write(`warning: ${root} is mounted without ${missing.join(", ")}; mount it with them\n`);
    }
  },
});
