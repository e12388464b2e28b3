// A model in a zip or a wheel. Files are read out by name and written under names of ours, so nothing in the archive decides
// where anything goes; an archive that tries to (`..`, links, one name twice) is refused whole all the same. Sizes are
// those that the archive states: what gives more bytes, or others than its checksum says, is an error.
import { basename } from "node:path";
import { type Readable, Transform } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { ModelError } from "./model-error.js";
import type { ModelSource, SourceFile } from "./model-source.js";

const MAX_ENTRIES = 20_000;
/** The upper half of an entry's external attributes is its Unix mode. */
const FILE_TYPE = 0o170000;
const REGULAR = [0, 0o100000, 0o040000];

export class ZipSource implements ModelSource {
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #name: string;

  private constructor(zip: ZipFile, entries: ReadonlyMap<string, Entry>, name: string) {
    this.#zip = zip;
    this.#entries = entries;
    this.#name = name;
  }

  /** `name` is the archive's own, for a model at its top. @throws ModelError `unsafe-archive` */
  static async open(path: string, name: string): Promise<ZipSource> {
    const zip = await openPromise(path, { autoClose: false, strictFileNames: true }).catch(refused);
    try {
      return new ZipSource(zip, await readEntries(zip), name);
    } catch (error) {
      zip.close();
      throw error;
    }
  }

  names(modelDir: string): string[] {
    return modelDir === "" ? [basename(this.#name).replace(/\.(?:zip|whl)$/i, "")] : [basename(modelDir)];
  }

  async list(): Promise<SourceFile[]> {
    return [...this.#entries.values()].map((entry) => ({ path: entry.fileName, sizeBytes: entry.uncompressedSize }));
  }

  async open(path: string): Promise<Readable> {
    const entry = this.#entries.get(path) as Entry;
    if (entry.isEncrypted() || !entry.canDecodeFileData()) {
      throw unsafe(`${path} is encrypted, or packed in a way that is not read here`);
    }
    const packed = await this.#zip.openReadStreamPromise(entry).catch(refused);
    const checked = checkSum(entry);
    packed.on("error", (error) => checked.destroy(unsafe(`${path} cannot be unpacked: ${error.message}`)));
    checked.on("close", () => packed.destroy());
    return packed.pipe(checked);
  }

  async close(): Promise<void> {
    this.#zip.close();
  }
}

async function readEntries(zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw unsafe(`it has ${zip.entryCount} entries, more than ${MAX_ENTRIES}`);
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) {
      const { fileName } = entry;
      if (!REGULAR.includes((entry.externalFileAttributes >>> 16) & FILE_TYPE)) {
        throw unsafe(`${fileName} is a link or a device`);
      }
      if (fileName.endsWith("/")) continue;
      if (entries.has(fileName)) throw unsafe(`${fileName} is in it twice`);
      entries.set(fileName, entry);
    }
  } catch (error) {
    refused(error);
  }
  return entries;
}

function checkSum({ crc32: expected, fileName }: Entry): Transform {
  let sum = 0;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      sum = crc32(bytes, sum);
      done(null, bytes);
    },
    flush(done) {
      done(sum >>> 0 === expected >>> 0 ? null : unsafe(`${fileName} is not what its checksum says`));
    },
  });
}

/** What the library says of a bad archive, such as `invalid relative path: ../x`. */
function refused(cause: unknown): never {
  if (cause instanceof ModelError) throw cause;
  throw unsafe((cause as Error).message, cause);
}

function unsafe(what: string, cause?: unknown): ModelError {
  return new ModelError("unsafe-archive", `the archive was refused: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "give a zip or a wheel that its maker's own tools wrote",
  });
}
