// Which paths are recorded, which folders have to be looked into for that, and which contents are secret. Pure: it never
// looks at a file.
import { globNames, PathGlob } from "./path-glob.js";
import { IGNORED, SECRET } from "./path-lists.js";
import { fromText, joinPath, type RawPath } from "./raw-path.js";

export interface WatchListOptions {
  watch: readonly string[];
  /** Besides the built-in list. */
  ignore: readonly string[];
  /** Besides the built-in list. */
  secret: readonly string[];
  /** Files and folders of the daemon itself: to record what writes the record would never end. */
  own: readonly string[];
}

/** Their files are no files: some act when they are read, and there is no end to them. */
const NEVER = ["/proc", "/sys", "/dev"];

export class WatchList {
  readonly #watch: PathGlob[];
  readonly #ignore: PathGlob[];
  readonly #secret: PathGlob[];
  readonly #own: RawPath[];

  constructor({ watch, ignore, secret, own }: WatchListOptions) {
    this.#watch = watch.map((glob) => new PathGlob(glob));
    this.#ignore = [...IGNORED, ...ignore].map((glob) => new PathGlob(glob));
    this.#secret = [...SECRET, ...secret].map((glob) => new PathGlob(glob, { nocase: true }));
    this.#own = [...own, ...NEVER].map(fromText);
  }

  /** Whether the path is recorded. */
  wants(path: RawPath): boolean {
    const names = globNames(path);
    return this.#watch.some((glob) => glob.matches(names)) && !this.#isIgnored(path, names);
  }

  /** Whether the folder may hold what is recorded. */
  enters(path: RawPath): boolean {
    const names = globNames(path);
    return this.#watch.some((glob) => glob.reachesInto(names)) && !this.#isIgnored(path, names);
  }

  /** Whether the configuration names this folder, and means something in it. */
  namesFolder(path: RawPath): boolean {
    const names = globNames(path);
    return this.#watch.some((glob) => glob.namesFolder(names));
  }

  /** The only names in a folder that matter; undefined: any may. */
  namesIn(path: RawPath): RawPath[] | undefined {
    const names = globNames(path);
    const found = new Set<RawPath>();
    for (const glob of this.#watch) {
      const next = glob.nextNames(names);
      if (!next) return undefined;
      for (const name of next) found.add(name);
    }
    return [...found];
  }

  /** Whether something at `name` in the folder can matter. Cheap: asked for every notification. */
  concerns(folder: RawPath, name: string): boolean {
    const path = joinPath(folder, name);
    return this.wants(path) || this.enters(path);
  }

  isSecret(path: RawPath): boolean {
    const names = globNames(path);
    return this.#secret.some((glob) => glob.matchesAbove(names));
  }

  #isIgnored(path: RawPath, names: readonly string[]): boolean {
    return (
      this.#own.some((own) => path === own || path.startsWith(`${own}/`)) ||
      this.#ignore.some((glob) => glob.matchesAbove(names))
    );
  }
}
