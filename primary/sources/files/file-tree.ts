// The watched part of the file system against what is remembered of it: walks it, or looks at some names, and gives what is not
// as it was. What cannot be looked at is never taken to be gone.
import type { FolderWatches } from "./folder-watches.js";
import { type InspectedFile, type InspectRules, inspectFile, versionOf } from "./inspect-file.js";
import { OpenFolder } from "./open-folder.js";
import { joinPath, type RawPath, readablePath } from "./raw-path.js";
import { type Forgotten, RememberedFiles, splitPath } from "./remembered-files.js";
import type { WatchList } from "./watch-list.js";

export interface FileTreeOptions {
  list: WatchList;
  watches: FolderWatches;
  rules: InspectRules;
  maxFiles: number;
}

/** Something that is not as it was: what it is now, or undefined if it is gone. */
export interface Finding {
  path: RawPath;
  file: InspectedFile | undefined;
}

/** Names of one folder to look at, each with whether it appeared, vanished or was replaced. */
export type NewsOfNames = ReadonlyMap<string, { renamed: boolean }>;

/** What one look at a name found. */
interface Look {
  name: string;
  isThere: boolean;
  /** It is a folder that may hold what is recorded. */
  isEntered: boolean;
  /** Undefined: as it was, or not recorded. */
  file: InspectedFile | undefined;
}

/** Files that are read at the same time. The ledger's syncs share the threads with them. */
const LOOKS_AT_ONCE = 3;

export class FileTree {
  readonly #options: FileTreeOptions;
  readonly #remembered: RememberedFiles;
  /** What cannot be looked at, with the reason. */
  readonly #blocked = new Map<RawPath, string>();

  constructor(options: FileTreeOptions) {
    this.#options = options;
    this.#remembered = new RememberedFiles(options.maxFiles);
  }

  /** Walks all of it. What it gives counts as told: `forgetVersion` if it could not be. */
  async *walk(signal: AbortSignal): AsyncGenerator<Finding> {
    this.#remembered.countLeftOutAnew();
    await this.#options.rules.owners.refresh();
    yield* this.#walkFrom("/", signal);
  }

  /** Looks at some names of a folder; without names, at all in and below it. */
  async *look(path: RawPath, names: NewsOfNames | undefined, signal: AbortSignal): AsyncGenerator<Finding> {
    await this.#options.rules.owners.refresh();
    // A folder that was not walked, or is gone, is another folder's news.
    if (!this.#remembered.folder(path)) return;
    if (names) yield* this.#lookAtNames(path, names, signal);
    else yield* this.#walkFrom(path, signal);
  }

  /** Whether the path is surely not there. */
  async isGone(path: RawPath): Promise<boolean> {
    const [parent, name] = splitPath(path);
    const folder = await this.#open(parent);
    if (folder === "blocked") return false;
    try {
      return (await folder?.stat(name)) === undefined;
    } catch {
      return false;
    } finally {
      await folder?.close();
    }
  }

  /** What was found there was not told: it is found again by the next walk. */
  forgetVersion(path: RawPath): void {
    this.#remembered.setVersion(...splitPath(path), "");
  }

  get files(): number {
    return this.#remembered.files;
  }

  /** Files and folders that were passed over since the last walk began, because there are too many. */
  get leftOut(): number {
    return this.#remembered.leftOut;
  }

  get problem(): string | undefined {
    if (this.leftOut > 0) {
      return `${this.leftOut} files are not watched, because there are more than max_files (${this.#options.maxFiles}): watch fewer, or raise it`;
    }
    const [first] = this.#blocked;
    if (!first) return undefined;
    const more = this.#blocked.size > 1 ? ` (and ${this.#blocked.size - 1} more)` : "";
    return `${readablePath(first[0])} ${first[1]}${more}`;
  }

  /** One folder is open at a time, however deep they lie. */
  async *#walkFrom(start: RawPath, signal: AbortSignal): AsyncGenerator<Finding> {
    const ahead = [start];
    for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) yield* this.#walkFolder(path, ahead, signal);
  }

  async *#walkFolder(path: RawPath, ahead: RawPath[], signal: AbortSignal): AsyncGenerator<Finding> {
    const folder = await this.#open(path);
    if (folder === "blocked") return;
    if (!folder) return yield* this.#gone(this.#remembered.forgetFolder(path));
    try {
      const walked = this.#remembered.addFolder(path);
      if (!walked) return;
      this.#options.watches.renew(folder);
      const [there, entered] = [new Set<string>(), new Set<string>()];
      for await (const names of this.#namesOf(folder)) {
        for await (const look of this.#lookAll(folder, names, signal)) {
          if (look.isThere) there.add(look.name);
          if (look.isEntered) entered.add(look.name);
          if (look.file) yield { path: joinPath(path, look.name), file: look.file };
        }
      }
      this.#blocked.delete(path);
      yield* this.#goneFrom(path, there, entered);
      for (const name of entered) ahead.push(joinPath(path, name));
    } catch (error) {
      this.#block(path, error);
    } finally {
      await folder.close();
    }
  }

  async *#lookAtNames(path: RawPath, names: NewsOfNames, signal: AbortSignal): AsyncGenerator<Finding> {
    const folder = await this.#open(path);
    if (folder === "blocked") return;
    if (!folder) return yield* this.#gone(this.#remembered.forgetFolder(path));
    const ahead: RawPath[] = [];
    try {
      for await (const { name, isThere, isEntered, file } of this.#lookAll(folder, [...names.keys()], signal)) {
        const child = joinPath(path, name);
        if (!isThere) yield* this.#gone(this.#remembered.forget(path, name));
        // What was a folder and is none now takes all that was in it along.
        else if (!isEntered) yield* this.#gone(this.#remembered.forgetFolder(child));
        else if (names.get(name)?.renamed) ahead.push(child);
        if (file) yield { path: child, file };
      }
    } catch (error) {
      this.#block(path, error);
    } finally {
      await folder.close();
    }
    for (const child of ahead) yield* this.#walkFrom(child, signal);
  }

  /** What was remembered of a folder and was not met in it. */
  *#goneFrom(path: RawPath, there: Set<string>, entered: Set<string>): Generator<Finding> {
    const { versions, folders } = this.#remembered.folder(path) ?? { versions: new Map(), folders: new Set<string>() };
    for (const name of folders) {
      if (!entered.has(name)) yield* this.#gone(this.#remembered.forgetFolder(joinPath(path, name)));
    }
    for (const name of versions.keys()) {
      if (!there.has(name)) yield* this.#gone(this.#remembered.forget(path, name));
    }
  }

  *#gone(forgotten: Iterable<Forgotten>): Generator<Finding> {
    for (const { kind, path } of forgotten) {
      this.#blocked.delete(path);
      if (kind === "folder") this.#options.watches.drop(path);
      else yield { path, file: undefined };
    }
  }

  async *#namesOf(folder: OpenFolder): AsyncGenerator<string[]> {
    const only = this.#options.list.namesIn(folder.path);
    if (only) yield only;
    else yield* folder.names();
  }

  /** A few at a time, in order; those that do not matter are left out. */
  async *#lookAll(folder: OpenFolder, names: string[], signal: AbortSignal): AsyncGenerator<Look> {
    for (let from = 0; from < names.length; from += LOOKS_AT_ONCE) {
      signal.throwIfAborted();
      const some = names.slice(from, from + LOOKS_AT_ONCE);
      for (const look of await Promise.all(some.map((name) => this.#lookAt(folder, name)))) if (look) yield look;
    }
  }

  async #lookAt(folder: OpenFolder, name: string): Promise<Look | undefined> {
    const path = joinPath(folder.path, name);
    const { list } = this.#options;
    const [isWanted, mayEnter] = [list.wants(path), list.enters(path)];
    if (!isWanted && !mayEnter) return undefined;
    const gone = { name, isThere: false, isEntered: false, file: undefined };
    try {
      const stats = await folder.stat(name);
      if (!stats) return gone;
      const isEntered = stats.isDirectory() && mayEnter;
      if (!isEntered) this.#noteLink(path, stats.isSymbolicLink() && list.namesFolder(path));
      if (!isWanted) return { name, isThere: true, isEntered, file: undefined };
      const file = await this.#inspectIfChanged(folder, name, versionOf(stats));
      return file === "gone" ? gone : { name, isThere: true, isEntered, file };
    } catch (error) {
      this.#block(path, error);
      return { name, isThere: true, isEntered: false, file: undefined };
    }
  }

  async #inspectIfChanged(
    folder: OpenFolder,
    name: string,
    version: string,
  ): Promise<InspectedFile | undefined | "gone"> {
    const before = this.#remembered.version(folder.path, name);
    if (before === version) return undefined;
    // Before the wait: others are looked at meanwhile, and the room may be for one only.
    if (!this.#remembered.setVersion(folder.path, name, "")) return undefined;
    const file = await inspectFile(folder, name, this.#options.rules);
    if (file) this.#remembered.setVersion(folder.path, name, file.version);
    return file ?? "gone";
  }

  async #open(path: RawPath): Promise<OpenFolder | undefined | "blocked"> {
    try {
      return await OpenFolder.open(path);
    } catch (error) {
      this.#block(path, error);
      return "blocked";
    }
  }

  /** @throws what the file system did not say */
  #block(path: RawPath, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code !== "string") throw error;
    this.#blocked.set(path, `cannot be looked at: ${code}`);
  }

  /** A link where the configuration has a folder: nothing of what it asks for can be seen. */
  #noteLink(path: RawPath, isInTheWay: boolean): void {
    if (!isInTheWay) this.#blocked.delete(path);
    else this.#blocked.set(path, "is a symbolic link, which is not followed: watch the path that it stands for");
  }
}
