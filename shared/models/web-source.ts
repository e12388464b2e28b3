// A model at a server, file by file: a hub's repository, or an .onnx file with its tokenizer beside it. There is no list
// of files to ask for, so the names that such a model can have are tried.
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { baseName, SIDE_FILES } from "./choose-files.js";
import { type Fetched, type FetchOptions, fetchUrl, shownUrl } from "./fetch-url.js";
import { ModelError } from "./model-error.js";
import type { ModelSource, SourceFile } from "./model-source.js";

export interface WebSourceOptions {
  /** Folder that paths are relative to; ends with `/`. */
  base: URL;
  /** Paths of .onnx files to try. */
  models: readonly string[];
  /** Full address of a file, where it has more than base and path, such as a signature. */
  exact?: ReadonlyMap<string, URL>;
  names: readonly string[];
}

export class WebSource implements ModelSource {
  readonly #options: WebSourceOptions;

  constructor(options: WebSourceOptions) {
    this.#options = options;
  }

  names(): string[] {
    return [...this.#options.names];
  }

  async list(signal: AbortSignal): Promise<SourceFile[]> {
    const { models } = this.#options;
    // One after another: a hub counts requests, and these are about fifteen.
    const files: SourceFile[] = [];
    const closed: string[] = [];
    for (const path of [...models, ...sidePaths(models)]) {
      const found = await this.#ask(path, signal);
      if (found === CLOSED) closed.push(path);
      else if (found) files.push(found);
    }
    const first = closed[0];
    // A server that says 404 of what is not there has these, and does not give them.
    if (first !== undefined && (await this.#ask(randomUUID(), signal)) !== CLOSED) throw this.#forbidden(first);
    for (const isNeeded of [isModel, isTokenizer]) {
      const path = files.some((file) => isNeeded(file.path)) ? undefined : closed.find(isNeeded);
      if (path !== undefined) throw this.#forbidden(path);
    }
    return files;
  }

  async open(path: string, signal: AbortSignal): Promise<Readable> {
    const url = this.#urlOf(path);
    const { status, body } = await fetchUrl(url, { signal });
    if (status === 200) return body;
    body.destroy();
    throw answered(url, status);
  }

  async close(): Promise<void> {}

  /** `CLOSED`: it is not for us, or it is not there. */
  async #ask(path: string, signal: AbortSignal): Promise<SourceFile | typeof CLOSED | undefined> {
    const url = this.#urlOf(path);
    let { status, sizeBytes } = await looked(url, { method: "HEAD", signal });
    if (NO_HEAD.includes(status)) ({ status, sizeBytes } = await looked(url, { firstByte: true, signal }));
    if (status === 200 || status === 206) return { path, sizeBytes };
    if (status === 404 || status === 410) return undefined;
    if (status === CLOSED) return CLOSED;
    throw answered(url, status);
  }

  #forbidden(path: string): ModelError {
    return answered(this.#urlOf(path), CLOSED);
  }

  #urlOf(path: string): URL {
    return (
      this.#options.exact?.get(path) ?? new URL(path.split("/").map(encodeURIComponent).join("/"), this.#options.base)
    );
  }
}

/** A bucket that may not be listed also says so of what is not there. */
const CLOSED = 403;
/** An address that is signed for GET is closed to HEAD, and some servers don't know it. */
const NO_HEAD = [CLOSED, 405, 501];

async function looked(url: URL, options: FetchOptions): Promise<Fetched> {
  const fetched = await fetchUrl(url, options);
  fetched.body.destroy();
  return fetched;
}

/** Beside the .onnx files, and above a folder `onnx`. */
function sidePaths(models: readonly string[]): string[] {
  const dirs = new Set<string>([""]);
  for (const model of models) dirs.add(model.slice(0, -baseName(model).length));
  const names = Object.values(SIDE_FILES).filter((name) => name !== SIDE_FILES.manifest);
  return [...dirs].flatMap((dir) => names.map((name) => `${dir}${name}`));
}

function isModel(path: string): boolean {
  return path.endsWith(".onnx");
}

function isTokenizer(path: string): boolean {
  return baseName(path) === SIDE_FILES.tokenizer;
}

function answered(url: URL, status: number): ModelError {
  const isClosed = status === 401 || status === CLOSED;
  return new ModelError("transfer-failed", `${shownUrl(url)} was answered with ${status}`, {
    hint: isClosed
      ? "it is not there (buckets that may not be listed say 403 then too), or not for everyone: see that the address is right, or fetch it with the hub's own program and give the folder"
      : "nothing was added; try again later",
  });
}
