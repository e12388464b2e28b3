// `isochron-replica trust`: which primaries' stores this replica accepts. A key is added by hand, never learnt from a push.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { loadReplicaIdentity } from "../../shared/store/identity.js";
import { addTrustedKey, readRetiredKeys, readTrustedKeys } from "../../shared/store/vkey-lists.js";
import { loadReplicaConfig } from "../config.js";
import { retireTrustedKey } from "../retire-key.js";

interface TrustArguments extends GlobalArguments {
  vkey: string | undefined;
  retire: string | undefined;
  json: boolean;
}

export const trust = defineCommand<TrustArguments>({
  command: "trust [vkey]",
  describe: "Accept the store of a primary, end the trust in an old key of it, or list the keys that count",
  builder: (yargs) =>
    yargs
      .positional("vkey", { type: "string", describe: "What `isochron-primary key --only vkey` printed" })
      .option("retire", {
        type: "string",
        describe: "Accept nothing new of this key: a vkey, or its first two parts. Kept generations still verify",
        conflicts: "vkey",
      })
      .option("json", { type: "boolean", default: false, describe: "List as JSON lines" })
      .example([
        ["$0 trust 'host1+5c310304+AdnTzYG/…'", "Accept the store of host1; a second key of it, beside the first"],
        ["$0 trust --retire host1+5c310304", "host1 has another key now: this one is over"],
        ["$0 trust", "List the keys that are trusted"],
      ]),
  handler: async ({ vkey, retire, json, ...args }) => {
    const { root, trust: configured } = (await loadReplicaConfig(args)).config;
    // What runs other programs is loaded when it is needed: commands that only ask a daemon start faster without it.
    const { ensureMounted } = await import("../../shared/store/volume.js");
    await ensureMounted(root);
    // A root that was never initialised must not get a lone file of trusted keys.
    await loadReplicaIdentity(root);
    if (vkey !== undefined) await add(root, configured, vkey);
    else if (retire !== undefined) await end(root, configured, retire);
    else await list(root, configured, json);
  },
});

async function add(root: string, configured: readonly string[], vkey: string): Promise<void> {
  const added = await addTrustedKey(root, vkey, configured);
  process.stderr.write(
    added ? "added; a running replica takes stores of this key from now on\n" : "was trusted already\n",
  );
}

async function end(root: string, configured: readonly string[], wanted: string): Promise<void> {
  const { vkey, changed } = await retireTrustedKey(root, configured, wanted);
  const said = changed ? "retired; a running replica takes nothing new of this key from now on" : "was retired already";
  const also = configured.includes(vkey) ? "; it still stands in `trust` of the configuration, and counts no more" : "";
  process.stderr.write(`${said}${also}\n`);
}

async function list(root: string, configured: readonly string[], json: boolean): Promise<void> {
  for (const { name, vkey } of await readTrustedKeys(root, configured)) {
    process.stdout.write(json ? `${JSON.stringify({ origin: name, vkey, retired: false })}\n` : `${vkey}\n`);
  }
  for (const { name, vkey } of await readRetiredKeys(root)) {
    process.stdout.write(json ? `${JSON.stringify({ origin: name, vkey, retired: true })}\n` : `# retired: ${vkey}\n`);
  }
}
