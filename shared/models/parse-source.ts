// What SOURCE of `model add` means, from its text alone: an address of an archive, of an .onnx file, of a hub's
// repository, or a path.
import { baseName } from "./choose-files.js";
import { ModelError } from "./model-error.js";
import type { ModelWeights } from "./stored-model.js";

export type ParsedSource =
  | { kind: "path"; path: string }
  | { kind: "archive-url"; url: URL; name: string }
  | { kind: "web"; base: URL; models: string[]; exact: ReadonlyMap<string, URL>; names: string[] };

export interface SourceChoice {
  /** Path of the .onnx file in a hub's repository. */
  file?: string | undefined;
  weights?: ModelWeights | undefined;
  /** Of a hub's repository: a branch, a tag or a commit. */
  revision?: string | undefined;
}

/** @throws ModelError `bad-request` */
export function parseSource(text: string, choice: SourceChoice = {}): ParsedSource {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { kind: "path", path: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["https:", "http:"].includes(url.protocol)) throw badSource(text);
  const path = decoded(url);
  if (path === undefined) throw badSource(text);
  if (isArchiveName(path)) return { kind: "archive-url", url, name: baseName(path) };
  if (path.endsWith(".onnx")) return onnxFile(url, path);
  return hubRepository(url, path, choice) ?? refuse(text);
}

export function isArchiveName(path: string): boolean {
  return /\.(?:zip|whl)$/i.test(path);
}

function onnxFile(url: URL, path: string): ParsedSource {
  const file = baseName(path);
  const dir = path.slice(0, -file.length);
  const isBelow = dir.endsWith("/onnx/");
  const base = new URL(isBelow ? "../" : "./", withoutQuery(url));
  const model = isBelow ? `onnx/${file}` : file;
  const above = path.split("/").slice(0, isBelow ? -2 : -1);
  // `/OWNER/MODEL/resolve/REVISION/onnx/model.onnx` is a hub's.
  const resolve = above.lastIndexOf("resolve");
  const names = [above[resolve - 1] ?? "", above.at(-1) ?? ""].filter((_, i) => i === 1 || resolve > 0);
  return { kind: "web", base, models: [model], exact: new Map([[model, url]]), names };
}

/** Where exporters and hubs put them, the usual one of each kind of weights first. */
const HUB_MODELS: Readonly<Record<ModelWeights, readonly string[]>> = {
  fp32: ["onnx/model.onnx", "model.onnx"],
  int8: ["onnx/model_quantized.onnx", "onnx/model_int8.onnx", "model_quantized.onnx"],
};

function hubRepository(url: URL, path: string, { file, weights, revision }: SourceChoice): ParsedSource | undefined {
  const [owner, model, tree, treeRevision, ...rest] = path.split("/").filter((part) => part !== "");
  if (!owner || !model || rest.length > 0 || (tree !== undefined && tree !== "tree")) return undefined;
  const at = encodeURIComponent(revision ?? treeRevision ?? "main");
  const base = new URL(`/${encodeURIComponent(owner)}/${encodeURIComponent(model)}/resolve/${at}/`, url);
  const usual = weights === undefined ? [...HUB_MODELS.fp32, ...HUB_MODELS.int8] : [...HUB_MODELS[weights]];
  return { kind: "web", base, models: file === undefined ? usual : [file], exact: new Map(), names: [model] };
}

/** Undefined for a `%` that stands for nothing. */
function decoded({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
}

function withoutQuery(url: URL): URL {
  const plain = new URL(url);
  plain.search = "";
  plain.hash = "";
  return plain;
}

function badSource(text: string): ModelError {
  return new ModelError("bad-request", `${text} is not an address that a model can be fetched from`, {
    hint: "give https://HOST/OWNER/MODEL of a hub, or the address of a .zip, .whl or .onnx file",
  });
}

function refuse(text: string): never {
  throw badSource(text);
}

/** What comes over a network is pinned by the operator; all of it, where nothing else says who sent it. */
export function requirePins(
  parsed: ParsedSource,
  { sha256, tokenizerSha256 }: { sha256?: string | undefined; tokenizerSha256?: string | undefined },
): void {
  if (parsed.kind === "path") return;
  if (sha256 === undefined) {
    throw new ModelError("bad-request", "an address needs --sha256", {
      hint: "take the digest from the model's page, not from the server that sends the file",
    });
  }
  if (parsed.kind !== "web" || tokenizerSha256 !== undefined) return;
  const { protocol, hostname } = parsed.base;
  if (protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname)) return;
  throw new ModelError("bad-request", "over http nothing vouches for the tokenizer", {
    hint: "use https, or give --tokenizer-sha256 as well",
  });
}
