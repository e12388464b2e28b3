// Opens what `model add` was given. An archive is first copied whole beside the models and its digest checked: only then is
// it opened, and what is opened is the very file that was hashed.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { baseName } from "./choose-files.js";
import { fetchUrl, shownUrl } from "./fetch-url.js";
import { FolderSource } from "./folder-source.js";
import { ModelError } from "./model-error.js";
import type { ModelSource } from "./model-source.js";
import { isArchiveName, type ParsedSource } from "./parse-source.js";
import { requireDigest } from "./require-digest.js";
import { requireRoom } from "./require-room.js";
import { WebSource } from "./web-source.js";
import { tooLarge, type WriteOptions, writeStream } from "./write-stream.js";
import { ZipSource } from "./zip-source.js";

export interface OpenOptions extends Omit<WriteOptions, "what"> {
  /** A folder for the copy of an archive. */
  dir: string;
  sha256: string | undefined;
  onFile?: ((name: string, sizeBytes: number | undefined) => void) | undefined;
}

export interface OpenedSource {
  source: ModelSource;
  /** Of an archive, whose digest covers all that is in it. */
  archiveSha256?: string;
}

/** @throws ModelError */
export async function openSource(parsed: ParsedSource, options: OpenOptions): Promise<OpenedSource> {
  if (parsed.kind === "web") return { source: new WebSource(parsed) };
  if (parsed.kind === "archive-url") {
    const { status, sizeBytes, body } = await fetchUrl(parsed.url, { signal: options.signal });
    if (status !== 200) {
      body.destroy();
      throw new ModelError("transfer-failed", `${shownUrl(parsed.url)} was answered with ${status}`, {
        hint: "nothing was added; see whether the address is right",
      });
    }
    return openArchive({ from: body, name: parsed.name, sizeBytes }, options);
  }
  const found = await stat(parsed.path).catch(() => undefined);
  if (found?.isDirectory()) return { source: new FolderSource(parsed.path) };
  if (found?.isFile() && isArchiveName(parsed.path)) {
    const from = createReadStream(parsed.path, { signal: options.signal });
    return openArchive({ from, name: baseName(parsed.path), sizeBytes: found.size }, options);
  }
  throw new ModelError(
    "bad-request",
    found ? `${parsed.path} is no folder, zip or wheel` : `there is no ${parsed.path}`,
    {
      hint: "give a model's folder, a .zip, a .whl, or an address; of an .onnx file give the folder that it is in",
    },
  );
}

interface Archive {
  from: Awaited<ReturnType<typeof fetchUrl>>["body"];
  name: string;
  sizeBytes: number | undefined;
}

async function openArchive({ from, name, sizeBytes }: Archive, options: OpenOptions): Promise<OpenedSource> {
  const { dir, sha256, onFile, maxBytes } = options;
  // What fails before it is read would otherwise end the process; who reads it hears of it all the same.
  from.on("error", () => undefined);
  try {
    if (sizeBytes !== undefined && sizeBytes > maxBytes) throw tooLarge(name, maxBytes);
    await requireRoom(dir, name, sizeBytes);
  } catch (error) {
    // Else its connection, and with it the command, stays for a minute.
    from.destroy();
    throw error;
  }
  onFile?.(name, sizeBytes);
  const copy = join(dir, "archive");
  const { sha256: archiveSha256 } = await writeStream(from, copy, { ...options, what: name });
  requireDigest(name, archiveSha256, sha256);
  return { source: await ZipSource.open(copy, name), archiveSha256 };
}
