// One inotify watch for each folder: it tells of the names in it and of what happens to their files. Where the kernel gives no
// more of them, the folder is left to be looked at from time to time, and that is said. libuv passes over the kernel's
// overflow mark in silence, so many notifications at a time are taken for one.
import { type FSWatcher, readFileSync, watch } from "node:fs";
import type { OpenFolder } from "./open-folder.js";
import { fromBytes, type RawPath } from "./raw-path.js";

export interface FolderWatchesOptions {
  /** `name` undefined: something in the folder. `renamed`: it appeared, vanished or was replaced. */
  onNews(folder: RawPath, name: string | undefined, renamed: boolean): void;
  /** So many came at once that others may be lost. */
  onFlood(): void;
}

const LIMITS: Record<string, string> = {
  ENOSPC: "fs.inotify.max_user_watches",
  EMFILE: "fs.inotify.max_user_instances",
};
const QUEUE_LIMIT = "/proc/sys/fs/inotify/max_queued_events";
const USUAL_QUEUE_LIMIT = 16_384;
const FLOOD_WINDOW_MS = 1000;

export class FolderWatches {
  readonly #options: FolderWatchesOptions;
  readonly #watchers = new Map<RawPath, FSWatcher>();
  /** Folders without a watch, with the reason. */
  readonly #without = new Map<RawPath, string>();
  readonly #floodFrom = readQueueLimit() / 2;
  #windowMs = 0;
  #inWindow = 0;

  constructor(options: FolderWatchesOptions) {
    this.#options = options;
  }

  /**
   * Watches the folder as it is now, also when it was watched before: a folder that was made again under its old name has
   * a watch that is dead and looks alive. Before its names are listed, so that none is missed between the two.
   */
  renew(folder: OpenFolder): void {
    const { path } = folder;
    const before = this.#watchers.get(path);
    try {
      const watcher = watch(folder.place, { encoding: "buffer" }, (event, name) => this.#hear(path, event, name));
      watcher.on("error", () => this.#options.onNews(path, undefined, true));
      this.#watchers.set(path, watcher);
      this.#without.delete(path);
    } catch (error) {
      this.#watchers.delete(path);
      this.#without.set(path, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
    // Afterwards: the kernel's watch is the same one, and is not let go in between.
    before?.close();
  }

  drop(path: RawPath): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
    this.#without.delete(path);
  }

  close(): void {
    for (const path of [...this.#watchers.keys()]) this.drop(path);
    this.#without.clear();
  }

  get watched(): number {
    return this.#watchers.size;
  }

  /** Folders that must be looked at from time to time. */
  get unwatched(): number {
    return this.#without.size;
  }

  get problem(): string | undefined {
    const [reason] = this.#without.values();
    if (reason === undefined) return undefined;
    const limit = LIMITS[reason];
    const remedy = limit ? `; raise it with: sysctl ${limit}=…` : "";
    return `${this.#without.size} folders are looked at from time to time only, because they cannot be watched: ${reason}${remedy}`;
  }

  #hear(path: RawPath, event: string, name: Buffer | null): void {
    this.#count();
    // `rename` is libuv's word for all that happens to the name, `change` for what happens to its file.
    this.#options.onNews(path, name === null ? undefined : fromBytes(name), event === "rename");
  }

  #count(): void {
    const nowMs = performance.now();
    if (nowMs - this.#windowMs > FLOOD_WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#inWindow = 0;
    }
    this.#inWindow += 1;
    if (this.#inWindow >= this.#floodFrom) this.#options.onFlood();
  }
}

function readQueueLimit(): number {
  try {
    return Number(readFileSync(QUEUE_LIMIT, "utf8")) || USUAL_QUEUE_LIMIT;
  } catch {
    return USUAL_QUEUE_LIMIT;
  }
}
