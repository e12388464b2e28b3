// `model list`: what is there, what uses it, and what is needed and not there.
import type { CommandModule } from "yargs";
import { formatMebibytes } from "../config/parse-size.js";
import type { ModelUses } from "../models/find-uses.js";
import type { StoredModel } from "../models/stored-model.js";
import type { ModelSide } from "./model-command.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";
import { type Column, formatTable, terminalWidth } from "./table.js";
import { visible } from "./visible.js";

interface ListedModel {
  model: StoredModel;
  uses: ModelUses;
}

export function modelListCommand(side: ModelSide): CommandModule {
  return defineCommand<GlobalArguments & { json: boolean }>({
    command: "list",
    describe: "List the models that are there, what uses them, and which are missing",
    builder: (yargs) =>
      yargs
        .option("json", { type: "boolean", default: false, describe: "Print JSON, with the digests" })
        .example([["$0 model list --json", "With the digests, to give the same model to another host"]]),
    handler: async (args) => {
      const root = await side.rootOf(args);
      const [{ listModels }, { missingOf, readModelSpaces, usesOf }] = await Promise.all([
        import("../models/model-store.js"),
        import("../models/find-uses.js"),
      ]);
      const uses = { levels: await side.levelsOf(args), spaces: await readModelSpaces(root) };
      const models = await listModels(root);
      const listed = models.map((model) => ({ model, uses: usesOf(model, uses) }));
      const missing = missingOf(models, uses);
      process.stdout.write(args.json ? formatJson(listed, missing) : formatText(listed, missing, side.bin));
    },
  });
}

function formatJson(listed: ListedModel[], missing: ModelUses): string {
  const models = listed.map(({ model, uses }) => ({
    id: model.id,
    name: model.name,
    weights: model.weights,
    dimensions: model.dimensions,
    pooling: model.pooling,
    max_tokens: model.maxTokens,
    size_bytes: model.sizeBytes,
    model_sha256: model.modelSha256,
    tokenizer_sha256: model.tokenizerSha256,
    dir: model.dir,
    ...usesJson(uses),
  }));
  return `${JSON.stringify({ models, missing: usesJson(missing) })}\n`;
}

function usesJson({ levels, spaces }: ModelUses) {
  return {
    levels: levels.map(({ level, model, inForce }) => ({ level, model, in_force: inForce })),
    spaces: spaces.map(({ modelSha256, tokenizerSha256, ...space }) => ({
      ...space,
      model_sha256: modelSha256,
      tokenizer_sha256: tokenizerSha256,
    })),
  };
}

const COLUMNS: Column<ListedModel>[] = [
  { title: "NAME", value: ({ model }) => model.name },
  { title: "ID", value: ({ model }) => model.id },
  { title: "WEIGHTS", value: ({ model }) => model.weights },
  { title: "DIMENSIONS", value: ({ model }) => String(model.dimensions), right: true },
  { title: "TOKENS", value: ({ model }) => String(model.maxTokens), right: true },
  { title: "SIZE", value: ({ model }) => formatMebibytes(model.sizeBytes), right: true },
  { title: "USED BY", value: ({ uses }) => formatUses(uses), shrink: true },
];

function formatText(listed: ListedModel[], missing: ModelUses, bin: string): string {
  const table = listed.length === 0 ? "no models" : formatTable(listed, COLUMNS, terminalWidth());
  return `${[table, ...missingLines(missing, bin)].join("\n")}\n`;
}

function formatUses({ levels, spaces }: ModelUses): string {
  const ofLevels = levels.map(({ level, inForce }) => `level ${level}${inForce ? "" : " (not in force)"}`);
  return [...ofLevels, ...spaces.map(({ space }) => `space ${space}`)].join(", ") || "-";
}

function missingLines({ levels, spaces }: ModelUses, bin: string): string[] {
  return [
    ...levels.map(
      ({ level, model }) => `missing: ${visible(model)}, for level ${level}: ${bin} model add SOURCE --sha256 …`,
    ),
    ...spaces.map(({ space, origin, model, modelSha256 }) => {
      const needed = `missing: ${visible(model)}, for questions to space ${visible(space)} of ${visible(origin)}`;
      return `${needed}: ${bin} model add SOURCE, with .onnx file ${modelSha256}`;
    }),
  ];
}
