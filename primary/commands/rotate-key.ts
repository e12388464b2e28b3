// `isochron-primary key rotate`: the change of the key that signs checkpoints, in two halves with the replicas' trust between
// them. A running daemon does it; without one, what needs no replica is done here, under the root's lock.
import { AskError } from "../../shared/cli/ask-socket.js";
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { parseVkey, shortKey } from "../../shared/format/signed-note.js";
import { loadPrimaryIdentity } from "../../shared/store/identity.js";
import { loadPrimaryConfig } from "../config.js";
import { KEY_STEPS, type KeyStep, type RotateAnswer, stepAlone } from "../keys/key-steps.js";
import { SigningKeys } from "../keys/signing-keys.js";
import { askControl } from "./ask-control.js";

interface RotateArguments extends GlobalArguments, Record<KeyStep, boolean> {
  force: boolean;
  "dry-run": boolean;
  json: boolean;
}

export const rotate = defineCommand<RotateArguments>({
  command: "rotate",
  describe: "Change the key that signs checkpoints: prepare, have the replicas trust it, commit",
  builder: (yargs) =>
    yargs
      .option("prepare", {
        type: "boolean",
        default: false,
        describe: "Make the next key. From the next seal on checkpoints carry both signatures",
      })
      .option("commit", {
        type: "boolean",
        default: false,
        describe: "Only the next key signs from now on. Refused while a replica does not trust it",
      })
      .option("abort", { type: "boolean", default: false, describe: "Take the prepared key back" })
      .option("force", {
        type: "boolean",
        default: false,
        describe: "Commit all the same: a replica without the trust refuses what comes, until it has it",
      })
      .option("dry-run", { type: "boolean", default: false, describe: "Say what would be done; change nothing" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .check((argv) => {
        const steps = KEY_STEPS.filter((step) => argv[step]);
        if (steps.length !== 1) throw new Error("give one of --prepare, --commit and --abort");
        if (argv.force && !argv.commit) throw new Error("--force goes with --commit only");
        return true;
      })
      .example([
        ["$0 key rotate --prepare", "1. It prints what each replica is to trust: isochron-replica trust VKEY"],
        ["$0 key rotate --commit --dry-run", "2. Which replicas trust it"],
        ["$0 key rotate --commit", "3. Go over to it; then on each replica: isochron-replica trust --retire OLD"],
        ["$0 key rotate --abort", "Not after all"],
      ]),
  handler: async ({ prepare, commit, abort, force, json, "dry-run": dryRun, ...args }) => {
    const step = KEY_STEPS.find((one) => ({ prepare, commit, abort })[one]) as KeyStep;
    const answer = await takeStep(args, { step, force, dryRun });
    process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${formatAnswer(answer).map(visible).join("\n")}\n`);
  },
});

/** @throws AskError; StoreError `in-use` where a daemon has the root and answers elsewhere */
async function takeStep(
  args: GlobalArguments,
  { step, force, dryRun }: { step: KeyStep; force: boolean; dryRun: boolean },
): Promise<RotateAnswer> {
  try {
    return await askControl<RotateAnswer>(args, "/v1/key/rotate", { step, force, dry_run: dryRun });
  } catch (error) {
    if (step === "commit" || !(error instanceof AskError) || error.code !== "nobody-listens") throw error;
  }
  const { root } = (await loadPrimaryConfig(args)).config;
  const [{ ensureMounted }, { lockRoot }] = await Promise.all([
    import("../../shared/store/volume.js"),
    import("../../shared/store/lock-root.js"),
  ]);
  await ensureMounted(root);
  const { origin } = await loadPrimaryIdentity(root);
  const lock = lockRoot(root);
  try {
    return await stepAlone(await SigningKeys.open(root, origin), step, dryRun);
  } finally {
    lock.release();
  }
}

function formatAnswer(answer: RotateAnswer): string[] {
  const { step, dry_run: dryRun, vkey, next } = answer;
  if (step === "prepare") return formatPrepare(answer);
  if (step === "commit") return formatCommit(answer);
  return [dryRun ? `would take back ${next}` : `taken back; ${vkey} signs alone`];
}

function formatPrepare({ changes, next }: RotateAnswer): string[] {
  if (next === null) return ["would make the next key, and sign with both from the next seal on"];
  return [
    `${changes ? "prepared" : "was prepared"}: checkpoints carry both signatures from the next seal on`,
    `on each replica  isochron-replica trust '${next}'`,
    "then here        isochron-primary key rotate --commit",
  ];
}

function formatCommit({ dry_run: dryRun, vkey, next, retired, replicas }: RotateAnswer): string[] {
  const told = replicas.map(({ replica, trusts, reason }) => `${replica}: ${trusts ? "trusts it" : reason}`);
  if (dryRun) {
    const isReady = replicas.every(({ trusts }) => trusts);
    return [isReady ? `would go over to ${next}` : `would be refused, and go over to ${next} with --force`, ...told];
  }
  // The one of just now.
  const old = shortKey(parseVkey(retired.at(-1) as string));
  return [
    `${vkey} signs from the next seal on`,
    ...told,
    "here             keep a copy of <root>/keys in a safe place",
    `on each replica  isochron-replica trust --retire '${old}'`,
  ];
}
