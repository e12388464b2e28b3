// The JSON files beside a model, parsed; and, of a folder that was a model of another root, its `model.json`, which knows
// what files said that such a folder no longer has.
import { readFile } from "node:fs/promises";
import { EmbedError } from "../embed/embed-error.js";
import type { JsonValue } from "../format/canonical-json.js";
import { broughtPath } from "./bring-files.js";
import { SIDE_FILES, type SideFile } from "./choose-files.js";
import type { ModelDocuments } from "./describe-model.js";
import { type ModelManifest, parseManifest } from "./stored-model.js";

export interface ReadDocuments {
  documents: ModelDocuments;
  manifest: ModelManifest | undefined;
}

const DOCUMENTS = ["config", "sentenceBert", "modules", "pooling", "tokenizer", "tokenizerConfig"] as const;

/** `dir`: where `bringFiles` put them. @throws EmbedError `model-unfit` for one that is not JSON */
export async function readDocuments(dir: string): Promise<ReadDocuments> {
  const manifest = await readManifestOf(dir);
  const documents: ModelDocuments = {};
  if (manifest) {
    documents.pooling = { pooling_mode: manifest.pooling };
    documents.sentenceBert = { max_seq_length: manifest.max_tokens };
  }
  for (const key of DOCUMENTS) {
    const text = await readIfThere(broughtPath(dir, key));
    if (text !== undefined) documents[key] = parse(text, key);
  }
  return { documents, manifest };
}

/** Other programs may call a file of theirs so: what is not ours says nothing. */
async function readManifestOf(dir: string): Promise<ModelManifest | undefined> {
  const text = await readIfThere(broughtPath(dir, "manifest"));
  if (text === undefined) return undefined;
  try {
    return parseManifest(text, dir);
  } catch {
    return undefined;
  }
}

function parse(text: string, key: SideFile): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new EmbedError("model-unfit", `its ${SIDE_FILES[key]} is not JSON`, {
      cause,
      hint: "was it cut, or is it a page that says that it is not there? compare it with that at its origin",
    });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
