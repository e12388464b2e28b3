// `isochron-primary resync`: what an operator does when a replica must be brought up by hand.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { askControl } from "./ask-control.js";

interface ResyncArguments extends GlobalArguments {
  replica: string | undefined;
  full: boolean;
  "dry-run": boolean;
  json: boolean;
}

export interface ResyncAnswer {
  replica: string;
  dry_run: boolean;
  plan: { kind: string; reason: string; generation?: number; base?: number };
  /** Bytes of the streams that would be sent, before compression on the wire; `null` where nothing would be. */
  bytes: number | null;
}

export const resync = defineCommand<ResyncArguments>({
  command: "resync <replica>",
  describe: "Push to a replica now; with --full, all of it",
  builder: (yargs) =>
    yargs
      .positional("replica", { type: "string", describe: "Name of the replica in the configuration" })
      .option("full", { type: "boolean", default: false, describe: "Send the whole store, not the difference" })
      .option("dry-run", { type: "boolean", default: false, describe: "Say what would be sent and why; send nothing" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .example([
        ["$0 resync replica-1 --dry-run", "What would be sent to replica-1, and why"],
        ["$0 resync replica-1 --full", "Send everything again"],
      ]),
  handler: async ({ replica, full, json, "dry-run": dryRun, ...args }) => {
    const answer = await askControl<ResyncAnswer>(args, "/v1/resync", { replica, full, dry_run: dryRun });
    process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${visible(formatAnswer(answer))}\n`);
  },
});

function formatAnswer({ replica, dry_run: dryRun, plan, bytes }: ResyncAnswer): string {
  const verb = dryRun ? "would send" : "asked for";
  const size = bytes === null ? "" : `, ${bytes} bytes`;
  const what = {
    nothing: "nothing",
    increment: `generation ${plan.generation} on base ${plan.base}${size}`,
    full: `all of generation ${plan.generation}${size}`,
  }[plan.kind];
  return `${replica}: ${what === undefined ? plan.kind : `${verb} ${what}`}: ${plan.reason}`;
}
