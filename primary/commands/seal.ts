// `isochron-primary seal`
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { askControl } from "./ask-control.js";

interface SealArguments extends GlobalArguments {
  force: boolean;
  json: boolean;
}

type SealAnswer = { sealed: true; generation: number; size: number; root: string } | { sealed: false; reason: string };

export const seal = defineCommand<SealArguments>({
  command: "seal",
  describe: "Seal a generation now, and push it",
  builder: (yargs) =>
    yargs
      .option("force", { type: "boolean", default: false, describe: "Seal even if nothing is new" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .example([["$0 seal", "What was acked so far becomes a generation, without waiting for its time"]]),
  handler: async ({ force, json, ...args }) => {
    const answer = await askControl<SealAnswer>(args, "/v1/seal", { force });
    if (json) process.stdout.write(`${JSON.stringify(answer)}\n`);
    else if (!answer.sealed) process.stdout.write(`not sealed: ${visible(answer.reason)}\n`);
    else process.stdout.write(`sealed generation ${answer.generation}: ${answer.size} entries, root ${answer.root}\n`);
  },
});
