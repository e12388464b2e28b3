// `isochron-primary resync`: what an operator does when a replica must be brought up by hand.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import type { ResyncAnswer } from "../order-links.js";
import { askControl } from "./ask-control.js";
import { followOrder, rounded } from "./follow-order.js";

interface ResyncArguments extends GlobalArguments {
  replica: string | undefined;
  full: boolean;
  wait: boolean;
  "dry-run": boolean;
  json: boolean;
}

export const resync = defineCommand<ResyncArguments>({
  command: "resync <replica>",
  describe: "Push to a replica now; with --full, all of it",
  builder: (yargs) =>
    yargs
      .positional("replica", { type: "string", describe: "Name of the replica in the configuration" })
      .option("full", { type: "boolean", default: false, describe: "Send the whole store, not the difference" })
      .option("wait", {
        type: "boolean",
        default: false,
        describe: "Show the progress until the replica has acked; Ctrl-C takes a full resync back",
      })
      .option("dry-run", { type: "boolean", default: false, describe: "Say what would be sent and why; send nothing" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .check(({ wait, "dry-run": dryRun }) => {
        if (wait && dryRun)
          throw new Error("--wait and --dry-run do not go together: a dry run has its answer at once");
        return true;
      })
      .example([
        ["$0 resync replica-1 --dry-run", "What would be sent to replica-1, and why"],
        ["$0 resync replica-1 --full --wait", "Send everything again, and watch it arrive"],
      ]),
  handler: async ({ replica, full, json, wait, "dry-run": dryRun, ...args }) => {
    const order = { replica, full, dry_run: dryRun };
    const answer = wait
      ? await followOrder<ResyncAnswer>(args, "/v1/resync", order)
      : await askControl<ResyncAnswer>(args, "/v1/resync", order);
    if (answer) process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${visible(formatAnswer(answer))}\n`);
  },
});

function formatAnswer({ replica, dry_run: dryRun, plan, bytes, done }: ResyncAnswer): string {
  if (done) {
    return `${replica}: has generation ${done.generation}: ${done.kind}, ${rounded(done.bytes)} in ${done.ms} ms`;
  }
  const verb = dryRun ? "would send" : "asked for";
  const size = bytes === null ? "" : `, ${bytes} bytes`;
  switch (plan.kind) {
    case "nothing":
      return `${replica}: ${verb} nothing: ${plan.reason}`;
    case "increment":
      return `${replica}: ${verb} generation ${plan.generation} on base ${plan.base}${size}: ${plan.reason}`;
    case "full":
      return `${replica}: ${verb} all of generation ${plan.generation}${size}: ${plan.reason}`;
    default:
      return `${replica}: ${plan.kind}: ${plan.reason}`;
  }
}
