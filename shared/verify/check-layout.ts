// Nothing but a store's own files may be in a generation: plain files and folders under the names of the layout. What a
// stream smuggles in beside them (links, devices, odd names) is refused before anything is read. What is found is noted,
// with sizes, for the checks that follow: a generation never changes, so it is looked at once.
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isSpaceName } from "../format/space.js";
import type { TreeLayout } from "../store/layout.js";
import { VerifyError } from "./verify-error.js";

const SEGMENT = /^\d{20}\.jsonl$/;

/** The folders and files of a generation, by their path in it, such as `timing/tree/0.hashes`. */
export class GenerationFiles {
  /** Names in each folder, ascending. */
  readonly #folders = new Map<string, readonly string[]>();
  readonly #sizes = new Map<string, number>();

  /** None for a folder that is not there. */
  names(folder: string): readonly string[] {
    return this.#folders.get(folder) ?? [];
  }

  has(path: string): boolean {
    return this.#folders.has(path) || this.#sizes.has(path);
  }

  /** Bytes of a file; `undefined` where there is none. */
  sizeOf(file: string): number | undefined {
    return this.#sizes.get(file);
  }

  /** Names of the spaces. */
  get spaces(): readonly string[] {
    return this.names("vector").filter((name) => this.#folders.has(`vector/${name}`));
  }

  /** `dir`: the generation's own folder. @throws VerifyError `incomplete` for a file that has gone since it was found */
  note(dir: string, folder: string, found: readonly Dirent[]): void {
    this.#folders.set(folder, found.map(({ name }) => name).sort());
    for (const { name } of found.filter((one) => one.isFile())) {
      const path = pathOf(folder, name);
      const info = statSync(join(dir, path), { throwIfNoEntry: false });
      if (!info) throw missing(folder, name);
      this.#sizes.set(path, info.size);
    }
  }
}

/**
 * Looked at without leaving the turn: see `read-part.ts`.
 *
 * @throws VerifyError `incomplete` for a part that is missing, `tampered` for one that has no place here
 */
export function checkLayout({ dir }: Pick<TreeLayout, "dir">): GenerationFiles {
  const files = new GenerationFiles();
  const check = (name: string, named: Record<string, Kind>, others?: RegExp) => {
    files.note(dir, name, checkFolder(dir, name, named, others));
  };
  check("", { timing: "folder", vector: "folder" });
  check("timing", { entries: "folder", payloads: "folder", tree: "folder", checkpoint: "file?" });
  check("timing/entries", {}, SEGMENT);
  check("timing/payloads", {}, SEGMENT);
  check("timing/tree", {}, /^\d{1,2}\.hashes$/);
  const spaces = checkVectorFolder(dir);
  files.note(dir, "vector", spaces);
  for (const space of spaces.filter((entry) => entry.isDirectory())) {
    check(`vector/${space.name}`, { "space.json": "file" }, /^\d{20}\.vec$/);
  }
  return files;
}

type Kind = "folder" | "file" | "file?";

function checkFolder(dir: string, name: string, named: Record<string, Kind>, others?: RegExp): Dirent[] {
  const found = listFolder(dir, name);
  for (const entry of found) {
    const expected = named[entry.name] ?? (others?.test(entry.name) ? "file" : undefined);
    const fits = expected === "folder" ? entry.isDirectory() : expected !== undefined && entry.isFile();
    if (!fits) throw outOfPlace(name, entry.name);
  }
  for (const [wanted, kind] of Object.entries(named)) {
    if (kind !== "file?" && !found.some((entry) => entry.name === wanted)) throw missing(name, wanted);
  }
  return found;
}

function checkVectorFolder(dir: string): Dirent[] {
  const found = listFolder(dir, "vector");
  for (const entry of found) {
    if (entry.name === "generation" && entry.isFile()) continue;
    if (!entry.isDirectory() || !isSpaceName(entry.name)) throw outOfPlace("vector", entry.name);
  }
  return found;
}

function listFolder(dir: string, name: string): Dirent[] {
  try {
    return readdirSync(join(dir, name), { withFileTypes: true });
  } catch (cause) {
    throw new VerifyError("incomplete", { file: name || "." }, "the folder is missing", { cause });
  }
}

function outOfPlace(folder: string, name: string): VerifyError {
  return new VerifyError("tampered", { file: pathOf(folder, name) }, "this has no place in a generation");
}

function missing(folder: string, name: string): VerifyError {
  return new VerifyError("incomplete", { file: pathOf(folder, name) }, "this part of the generation is missing");
}

function pathOf(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
