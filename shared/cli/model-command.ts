// `model add|list|test|remove`, the same for both bins. What does the work is loaded when it is needed: commands that only
// ask a daemon start faster without it.
import type { CommandModule } from "yargs";
import type { LevelModel } from "../models/find-uses.js";
import { modelAddCommand } from "./model-add-command.js";
import { modelListCommand } from "./model-list-command.js";
import { modelRemoveCommand } from "./model-remove-command.js";
import { modelTestCommand } from "./model-test-command.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";

export interface ModelSide {
  bin: "isochron-primary" | "isochron-replica";
  /** The root, mounted, and of this side. @throws StoreError, ConfigError */
  rootOf(args: GlobalArguments): Promise<string>;
  /** The levels that the configuration names, with their models. */
  levelsOf(args: GlobalArguments): Promise<LevelModel[]>;
}

export function modelCommand(side: ModelSide): CommandModule {
  return defineCommand({
    command: "model",
    describe: "Add, list, try or remove the models that make vectors of sentences",
    builder: (yargs) =>
      yargs
        .command(modelAddCommand(side))
        .command(modelListCommand(side))
        .command(modelTestCommand(side))
        .command(modelRemoveCommand(side))
        .demandCommand(1, "add, list, test or remove?")
        .example([["$0 model list", "What is there, and what uses it"]]),
    handler: () => {},
  });
}
