// Brings a model's files from their source into a folder, under the names they have there. The .onnx file comes first and
// the tokenizer second, and each digest is compared at once: no byte of a file is looked into before that.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type ChosenFiles, SIDE_FILES, type SideFile } from "./choose-files.js";
import type { ModelSource, SourceFile } from "./model-source.js";
import { requireDigest } from "./require-digest.js";
import { requireRoom } from "./require-room.js";
import { MODEL_FILES, type ModelManifest } from "./stored-model.js";
import { tooLarge, type Written, writeStream } from "./write-stream.js";

export interface BringOptions {
  dir: string;
  /** What the .onnx file and the tokenizer must have; undefined: not said. */
  onnxSha256: string | undefined;
  tokenizerSha256?: string | undefined;
  /** Of the .onnx file. */
  maxBytes: number;
  signal: AbortSignal;
  onFile?: ((name: string, sizeBytes: number | undefined) => void) | undefined;
  onBytes?: ((bytes: number) => void) | undefined;
}

/** Vocabularies of many languages have some 20 MiB; everything else is small. */
const MAX_SIDE_BYTES = 64 * 1024 * 1024;

/** Files that stay with the model. The others are read once, to learn what they say. */
const KEPT: Partial<Record<SideFile, string>> = {
  tokenizerConfig: MODEL_FILES.tokenizerConfig,
  config: MODEL_FILES.config,
  reference: MODEL_FILES.reference,
  licence: MODEL_FILES.licence,
};

/** What is kept, by the names of `MODEL_FILES`. @throws ModelError */
export async function bringFiles(
  source: ModelSource,
  { model, tokenizer, side }: ChosenFiles,
  options: BringOptions,
): Promise<ModelManifest["files"]> {
  const files: ModelManifest["files"] = {};
  const bring = async (file: SourceFile, name: string, maxBytes: number): Promise<Written> => {
    const written = await bringFile(source, file, join(options.dir, name), { ...options, maxBytes });
    files[name] = { sha256: written.sha256, size_bytes: written.sizeBytes };
    return written;
  };
  const { sha256 } = await bring(model, MODEL_FILES.model, options.maxBytes);
  requireDigest(model.path, sha256, options.onnxSha256);
  const { sha256: tokenizerSha256 } = await bring(tokenizer, MODEL_FILES.tokenizer, MAX_SIDE_BYTES);
  requireDigest(tokenizer.path, tokenizerSha256, options.tokenizerSha256);
  for (const [key, name] of Object.entries(KEPT) as [SideFile, string][]) {
    if (side[key]) await bring(side[key], name, MAX_SIDE_BYTES);
  }
  for (const key of READ_ONCE) {
    const file = side[key];
    if (file) await bringFile(source, file, broughtPath(options.dir, key), { ...options, maxBytes: MAX_SIDE_BYTES });
  }
  return files;
}

const READ_ONCE = (Object.keys(SIDE_FILES) as SideFile[]).filter((key) => key !== "tokenizer" && !(key in KEPT));

/** Where a side file is between being brought and `dropReadOnce`. */
export function broughtPath(dir: string, key: SideFile): string {
  return join(dir, key === "tokenizer" ? MODEL_FILES.tokenizer : (KEPT[key] ?? `read-${key}`));
}

/** Removes what was needed only to describe the model. */
export async function dropReadOnce(dir: string): Promise<void> {
  for (const key of READ_ONCE) await rm(broughtPath(dir, key), { force: true });
}

async function bringFile(source: ModelSource, file: SourceFile, path: string, options: BringOptions): Promise<Written> {
  const { maxBytes, signal, onFile } = options;
  if (file.sizeBytes !== undefined && file.sizeBytes > maxBytes) throw tooLarge(file.path, maxBytes);
  await requireRoom(options.dir, file.path, file.sizeBytes);
  onFile?.(file.path, file.sizeBytes);
  return writeStream(await source.open(file.path, signal), path, { ...options, what: file.path });
}
