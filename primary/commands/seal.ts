// `isochron-primary seal`
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { askControl } from "./ask-control.js";

interface SealArguments extends GlobalArguments {
  force: boolean;
  "dry-run": boolean;
  json: boolean;
}

type SealAnswer =
  | { sealed: true; generation: number; size: number; root: string }
  | { sealed: false; dry_run: true; would_seal: boolean; entries: number }
  | { sealed: false; reason: string };

export const seal = defineCommand<SealArguments>({
  command: "seal",
  describe: "Seal a generation now, and push it",
  builder: (yargs) =>
    yargs
      .option("force", { type: "boolean", default: false, describe: "Seal even if nothing is new" })
      .option("dry-run", { type: "boolean", default: false, describe: "Say what would be sealed; seal nothing" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .example([["$0 seal", "What was acked so far becomes a generation, without waiting for its time"]]),
  handler: async ({ force, json, "dry-run": dryRun, ...args }) => {
    const answer = await askControl<SealAnswer>(args, "/v1/seal", { force, dry_run: dryRun });
    if (json) process.stdout.write(`${JSON.stringify(answer)}\n`);
    else process.stdout.write(`${formatAnswer(answer)}\n`);
  },
});

function formatAnswer(answer: SealAnswer): string {
  if (answer.sealed) {
    return `sealed generation ${answer.generation}: ${answer.size} entries, root ${visible(answer.root)}`;
  }
  if (!("dry_run" in answer)) return `not sealed: ${visible(answer.reason)}`;
  return answer.would_seal ? `would seal ${answer.entries} new entries` : "would seal nothing: nothing is new";
}
