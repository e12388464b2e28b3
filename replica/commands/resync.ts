// `isochron-replica resync`: asks the primary for a push at its next hello, a few seconds from now.
import { defineCommand, type GlobalArguments } from "../../shared/cli/run-commands.js";
import { visible } from "../../shared/cli/visible.js";
import { askAgent } from "./ask-agent.js";

interface ResyncArguments extends GlobalArguments {
  store: string | undefined;
  full: boolean;
  json: boolean;
}

export const resync = defineCommand<ResyncArguments>({
  command: "resync",
  describe: "Ask the primary for a push at its next hello; with --full, for all of it",
  builder: (yargs) =>
    yargs
      .option("store", { type: "string", describe: "UUID of the store; all of them by default" })
      .option("full", { type: "boolean", default: false, describe: "Ask for the whole store, not the difference" })
      .option("json", { type: "boolean", default: false, describe: "Print the answer as JSON" })
      .example([["$0 resync --full", "Take everything anew, as when this copy is not trusted any more"]]),
  handler: async ({ store, full, json, ...args }) => {
    const body = store === undefined ? { full } : { store, full };
    const answer = await askAgent<{ asked: string[] }>(args, "/v1/resync", body);
    if (json) process.stdout.write(`${JSON.stringify(answer)}\n`);
    else
      process.stdout.write(
        answer.asked.map((uuid) => `${visible(uuid)}: asked at the primary's next hello\n`).join(""),
      );
  },
});
