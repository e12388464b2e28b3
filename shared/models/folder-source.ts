// A model in a folder of this machine: as a hub's repository looks, flat, or a model's folder of another root.
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { ModelError } from "./model-error.js";
import type { ModelSource, SourceFile } from "./model-source.js";

const MAX_DEPTH = 4;
const MAX_FILES = 20_000;
/** A hub's cache: `models--OWNER--NAME/snapshots/<revision>`. */
const CACHE_FOLDER = /^models--[^/]*?--(.+)$/;

export class FolderSource implements ModelSource {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  names(modelDir: string): string[] {
    const dir = join(this.#dir, modelDir);
    return [CACHE_FOLDER.exec(basename(dirname(dirname(dir))))?.[1] ?? "", basename(dir)];
  }

  async list(): Promise<SourceFile[]> {
    const files: SourceFile[] = [];
    await this.#walk("", MAX_DEPTH, files);
    return files;
  }

  async open(path: string, signal: AbortSignal): Promise<Readable> {
    return createReadStream(join(this.#dir, path), { signal });
  }

  async close(): Promise<void> {}

  async #walk(below: string, depth: number, files: SourceFile[]): Promise<void> {
    for (const entry of await readdir(join(this.#dir, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (depth > 0) await this.#walk(path, depth - 1, files);
        continue;
      }
      // Links to files are followed, because a hub's cache is made of them; links to folders are not.
      const found = await stat(join(this.#dir, path)).catch(() => undefined);
      if (!found?.isFile()) continue;
      files.push({ path, sizeBytes: found.size });
      if (files.length > MAX_FILES) {
        throw new ModelError("bad-request", `${this.#dir} has more than ${MAX_FILES} files`, {
          hint: "give the model's own folder",
        });
      }
    }
  }
}
