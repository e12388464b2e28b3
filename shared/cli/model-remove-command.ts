// `model remove NAME`
import type { CommandModule } from "yargs";
import { EmbedError } from "../embed/embed-error.js";
import type { StoredModel } from "../models/stored-model.js";
import type { ModelSide } from "./model-command.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";
import { visible } from "./visible.js";

interface RemoveArguments extends GlobalArguments {
  name: string;
  force: boolean;
  json: boolean;
}

export function modelRemoveCommand(side: ModelSide): CommandModule {
  return defineCommand<RemoveArguments>({
    command: "remove <name>",
    describe: "Remove a model, unless a level or a space in force needs it",
    builder: (yargs) =>
      yargs
        .positional("name", {
          type: "string",
          demandOption: true,
          describe: "Its name or id, as `model list` has them",
        })
        .option("force", { type: "boolean", default: false, describe: "Also one that is needed, or is damaged" })
        .option("json", {
          type: "boolean",
          default: false,
          describe: "Print JSON; `changed` says whether it was there",
        })
        .example([["$0 model remove all-MiniLM-L6-v2", "Exit code 0 also when it is not there"]]),
    handler: async (args) => {
      const root = await side.rootOf(args);
      const [{ findModel }, { readModelSpaces, usesOf }, { refuseIfUsed, removeModel }] = await Promise.all([
        import("../models/model-store.js"),
        import("../models/find-uses.js"),
        import("../models/remove-model.js"),
      ]);
      const model = await findModel(root, args.name).catch(undefinedIfMissing);
      if (model && !args.force) {
        const uses = { levels: await side.levelsOf(args), spaces: await readModelSpaces(root) };
        refuseIfUsed(model, usesOf(model, uses));
      }
      if (model) await removeModel(root, model);
      process.stdout.write(args.json ? formatJson(model) : formatText(args.name, model));
    },
  });
}

function formatJson(model: StoredModel | undefined): string {
  return `${JSON.stringify({ changed: model !== undefined, id: model?.id ?? null })}\n`;
}

function formatText(name: string, model: StoredModel | undefined): string {
  return model ? `removed    ${model.id}\n` : `unchanged  there is no model ${visible(name)}\n`;
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof EmbedError && error.code === "model-missing") return undefined;
  throw error;
}
