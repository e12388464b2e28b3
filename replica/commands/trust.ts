// `isochron-replica trust`: which primaries' stores this replica accepts. A key is added by hand, never learnt from a push.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaIdentity } from "../../shared/store/identity.js";
import { addTrustedKey, readTrustedKeys } from "../../shared/store/key-files.js";
import { loadReplicaConfig } from "../config.js";

interface TrustArguments extends GlobalArguments {
  vkey: string | undefined;
  json: boolean;
}

export const trust = defineCommand<TrustArguments>({
  command: "trust [vkey]",
  describe: "Accept the store of a primary, or list those accepted",
  builder: (yargs) =>
    yargs
      .positional("vkey", { type: "string", describe: "What `isochron-primary key --only vkey` printed" })
      .option("json", { type: "boolean", default: false, describe: "List as JSON lines" })
      .example([
        ["$0 trust 'host1+5c310304+AdnTzYG/…'", "Accept the store of host1"],
        ["$0 trust", "List the keys that are trusted"],
      ]),
  handler: async ({ vkey, json, ...args }) => {
    const { root, trust: configured } = (await loadReplicaConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    // A root that was never initialised must not get a lone file of trusted keys.
    await loadReplicaIdentity(root);
    if (vkey !== undefined) {
      const added = await addTrustedKey(root, vkey);
      process.stderr.write(
        added ? "added; a running replica takes stores of this key from now on\n" : "was trusted already\n",
      );
      return;
    }
    const keys = [...new Set([...(await readTrustedKeys(root)).map((known) => known.vkey), ...configured])];
    for (const known of keys) {
      process.stdout.write(json ? `${JSON.stringify({ origin: known.split("+")[0], vkey: known })}\n` : `${known}\n`);
    }
  },
});
