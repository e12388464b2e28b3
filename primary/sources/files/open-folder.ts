// Folders held open, so that everything in them is reached from the open folder and not by a path that someone may change
// meanwhile. No symbolic link is followed on any step. Node has no openat(2): a name below `/proc/self/fd/N/` is the same.
import { constants } from "node:fs";
import { type FileHandle, lstat, open, opendir, readlink } from "node:fs/promises";
import { fromBytes, type RawPath, toBytes } from "./raw-path.js";

/** open(2): the file is not opened, only held: a device does not notice. Node does not name it. */
export const O_PATH = 0o10000000;
const FOLDER_FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** What says that the path is no folder (any more). */
const NO_FOLDER = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);
const LIST_AT_ONCE = 64;

export class OpenFolder {
  readonly path: RawPath;
  readonly #handle: FileHandle;

  private constructor(path: RawPath, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Undefined if there is no such folder, or a symbolic link on the way. @throws what else open(2) does not like */
  static async open(path: RawPath): Promise<OpenFolder | undefined> {
    let handle = await open("/", FOLDER_FLAGS);
    for (const name of path.split("/")) {
      if (name === "") continue;
      const next = await open(below(handle, name), FOLDER_FLAGS).catch((error: NodeJS.ErrnoException) => error);
      await handle.close();
      if (next instanceof Error) {
        if (NO_FOLDER.has(next.code ?? "")) return undefined;
        throw next;
      }
      handle = next;
    }
    return new OpenFolder(path, handle);
  }

  /** A path that stands for the folder itself as long as it is open. */
  get place(): string {
    return `/proc/self/fd/${this.#handle.fd}`;
  }

  /** Names in the folder, some at a time and in no order. */
  async *names(): AsyncGenerator<string[]> {
    const listing = await opendir(this.place, { encoding: "buffer" as BufferEncoding, bufferSize: LIST_AT_ONCE });
    let names: string[] = [];
    for await (const { name } of listing) {
      // The encoding is `buffer`, which the types do not know.
      names.push(fromBytes(name as unknown as Buffer));
      if (names.length < LIST_AT_ONCE) continue;
      yield names;
      names = [];
    }
    if (names.length > 0) yield names;
  }

  /** Of the name itself, be it a link. Undefined if it is not there. */
  async stat(name: string) {
    return unlessGone(lstat(below(this.#handle, name), { bigint: true }));
  }

  /** The file held without being opened, be it a device or a link. Undefined if it is not there. */
  async hold(name: string): Promise<FileHandle | undefined> {
    return unlessGone(open(below(this.#handle, name), O_PATH | constants.O_NOFOLLOW));
  }

  /** Where a link points. Undefined if it is no link (any more). */
  async linkTarget(name: string): Promise<RawPath | undefined> {
    try {
      return fromBytes(await readlink(below(this.#handle, name), { encoding: "buffer" }));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EINVAL" || code === "ENOENT") return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function below({ fd }: FileHandle, name: string): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), toBytes(name)]);
}

async function unlessGone<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
