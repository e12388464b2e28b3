// What the files source remembers of the watched part of the file system: for each folder that was walked the recorded names in
// it, each with a version that tells whether to look again. Bounded; what files are like stands in the ledger.
import { joinPath, type RawPath } from "./raw-path.js";

export interface RememberedFolder {
  /** Of the recorded names in it. Empty: it must be looked at. */
  versions: Map<string, string>;
  /** Names of the folders in it that were walked. */
  folders: Set<string>;
}

/** Folders that there is always room for: those on the way to the watched ones count as well. */
const LEAST_FOLDERS = 1024;

export class RememberedFiles {
  readonly #max: number;
  readonly #folders = new Map<RawPath, RememberedFolder>();
  #files = 0;
  #leftOut = 0;

  /** At most `max` files, and about as many folders. */
  constructor(max: number) {
    this.#max = max;
  }

  get files(): number {
    return this.#files;
  }

  /** Files and folders that there was no room for. */
  get leftOut(): number {
    return this.#leftOut;
  }

  countLeftOutAnew(): void {
    this.#leftOut = 0;
  }

  folder(path: RawPath): RememberedFolder | undefined {
    return this.#folders.get(path);
  }

  /** Undefined, and counted, if there is no room. */
  addFolder(path: RawPath): RememberedFolder | undefined {
    const before = this.#folders.get(path);
    if (before) return before;
    if (this.#folders.size >= Math.max(this.#max, LEAST_FOLDERS)) {
      this.#leftOut += 1;
      return undefined;
    }
    const added: RememberedFolder = { versions: new Map(), folders: new Set() };
    this.#folders.set(path, added);
    const [parent, name] = splitPath(path);
    if (parent !== path) this.#folders.get(parent)?.folders.add(name);
    return added;
  }

  version(parent: RawPath, name: string): string | undefined {
    return this.#folders.get(parent)?.versions.get(name);
  }

  /** False, and counted, if there is no room for another file. */
  setVersion(parent: RawPath, name: string, version: string): boolean {
    const versions = this.#folders.get(parent)?.versions;
    if (!versions) return false;
    if (!versions.has(name)) {
      if (this.#files >= this.#max) {
        this.#leftOut += 1;
        return false;
      }
      this.#files += 1;
    }
    versions.set(name, version);
    return true;
  }

  /** Forgets a name with all below it; gives the files and the folders that were forgotten. */
  *forget(parent: RawPath, name: string): Generator<Forgotten> {
    const path = joinPath(parent, name);
    yield* this.forgetFolder(path);
    if (!this.#folders.get(parent)?.versions.delete(name)) return;
    this.#files -= 1;
    yield { kind: "file", path };
  }

  /** Forgets a folder as such, with all in it. */
  *forgetFolder(path: RawPath): Generator<Forgotten> {
    const folder = this.#folders.get(path);
    if (!folder) return;
    for (const name of folder.folders) yield* this.forgetFolder(joinPath(path, name));
    for (const name of folder.versions.keys()) yield* this.forget(path, name);
    this.#folders.delete(path);
    const [parent, name] = splitPath(path);
    this.#folders.get(parent)?.folders.delete(name);
    yield { kind: "folder", path };
  }
}

export interface Forgotten {
  kind: "file" | "folder";
  path: RawPath;
}

export function splitPath(path: RawPath): [parent: RawPath, name: string] {
  const at = path.lastIndexOf("/");
  return [at === 0 ? "/" : path.slice(0, at), path.slice(at + 1)];
}
