// `model test [NAME]`: shows that a model is whole, runs here, and tells what means the same from what does not.
import type { CommandModule } from "yargs";
import { formatMebibytes } from "../config/parse-size.js";
import { EmbedError } from "../embed/embed-error.js";
import type { TriedModel } from "../models/try-model.js";
import type { ModelSide } from "./model-command.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";

interface TestArguments extends GlobalArguments {
  name: string | undefined;
  json: boolean;
}

export function modelTestCommand(side: ModelSide): CommandModule {
  return defineCommand<TestArguments>({
    command: "test [name]",
    describe: "Check a model's files, run it on a few sentences, and show what it costs",
    builder: (yargs) =>
      yargs
        .positional("name", { type: "string", describe: "Its name or id; without it all are tried" })
        .option("json", { type: "boolean", default: false, describe: "Print a JSON line for each model" })
        .example([["$0 model test all-MiniLM-L6-v2", "Exit code 0: whole, and it tells sentences apart; else 1"]]),
    handler: async (args) => {
      const root = await side.rootOf(args);
      const [{ findModel, listModels }, { tryModel }] = await Promise.all([
        import("../models/model-store.js"),
        import("../models/try-model.js"),
      ]);
      const models = args.name === undefined ? await listModels(root) : [await findModel(root, args.name)];
      if (models.length === 0) throw noModels(side.bin);
      for (const model of models) {
        const tried = await tryModel(model, new AbortController().signal);
        process.stdout.write(args.json ? formatJson(tried) : formatText(tried));
        if (!tried.isGood) process.exitCode = 1;
      }
    },
  });
}

function noModels(bin: string): EmbedError {
  return new EmbedError("model-missing", "there are no models", { hint: `add one: ${bin} model add --help` });
}

function formatJson({ model, triples, reference, openMs, textMs, memoryBytes, isGood }: TriedModel): string {
  const sentences = triples.map(({ toRelated, toUnrelated, ...texts }) => {
    return { ...texts, cosine_related: rounded(toRelated), cosine_unrelated: rounded(toUnrelated) };
  });
  const compared = reference && {
    texts: reference.texts,
    least_cosine: rounded(reference.leastCosine),
    asked: reference.asked,
  };
  const costs = { open_ms: Math.round(openMs), text_ms: rounded(textMs), memory_bytes: memoryBytes };
  const { id, name } = model;
  return `${JSON.stringify({ id, name, good: isGood, sentences, reference: compared ?? null, ...costs })}\n`;
}

function formatText({ model, triples, reference, openMs, textMs, memoryBytes, isGood }: TriedModel): string {
  const pairs = triples.flatMap(({ text, related, unrelated, toRelated, toUnrelated }) => [
    `  "${text}"`,
    `    ${toRelated.toFixed(2)}  "${related}"`,
    `    ${toUnrelated.toFixed(2)}  "${unrelated}"${toRelated > toUnrelated ? "" : "   <- not farther"}`,
  ]);
  return `${[
    `${isGood ? "good  " : "NOT AS IT MUST BE"} ${model.id}: ${model.weights}, ${model.dimensions} dimensions, files as they were added`,
    ...pairs,
    formatReference(reference),
    `  ${textMs.toFixed(1)} ms for each text on one thread; ready after ${Math.round(openMs)} ms; ${formatMebibytes(memoryBytes)} of memory`,
  ].join("\n")}\n`;
}

function formatReference(reference: TriedModel["reference"]): string {
  if (!reference) return "  it came without reference vectors";
  const { texts, leastCosine, asked } = reference;
  return `  ${texts} reference vectors: least cosine ${leastCosine.toFixed(4)}, at least ${asked} is asked for`;
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
