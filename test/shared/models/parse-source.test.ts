import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSource, requirePins, type SourceChoice } from "../../../shared/models/parse-source.js";

test("a path is a path, whatever it looks like", () => {
  for (const path of ["./mini", "/srv/models/mini.whl", "owner/model", "C:mini"]) {
    assert.deepEqual(parseSource(path), { kind: "path", path });
  }
});

test("the address of an archive is known by its end, and keeps its query", () => {
  const parsed = parseSource("https://files.example/p/mini-1.0-py3-none-any.whl?token=x");
  assert.ok(parsed.kind === "archive-url");
  assert.equal(parsed.name, "mini-1.0-py3-none-any.whl");
  assert.equal(parsed.url.search, "?token=x");
});

test("a hub's repository is looked for under resolve, at a revision", () => {
  assert.equal(web("https://hub.example/acme/mini").base, "https://hub.example/acme/mini/resolve/main/");
  assert.equal(web("https://hub.example/acme/mini/tree/v2/").base, "https://hub.example/acme/mini/resolve/v2/");
  assert.equal(web("https://hub.example/acme/mini", { revision: "a/b" }).base.split("/").at(-2), "a%2Fb");
  assert.deepEqual(web("https://hub.example/acme/mini").names, ["mini"]);
  assert.ok(web("https://hub.example/acme/mini", { weights: "int8" }).models.includes("onnx/model_quantized.onnx"));
  assert.deepEqual(web("https://hub.example/acme/mini", { file: "onnx/x.onnx" }).models, ["onnx/x.onnx"]);
});

test("an .onnx address has its tokenizer beside it, or above a folder onnx", () => {
  const flat = web("https://files.example/mini/model.onnx?sig=x");
  assert.deepEqual([flat.base, flat.models, flat.names], ["https://files.example/mini/", ["model.onnx"], ["mini"]]);
  assert.equal(flat.exact["model.onnx"], "https://files.example/mini/model.onnx?sig=x");
  const below = web("https://hub.example/acme/mini/resolve/main/onnx/model.onnx");
  assert.equal(below.base, "https://hub.example/acme/mini/resolve/main/");
  assert.deepEqual([below.models, below.names], [["onnx/model.onnx"], ["mini", "main"]]);
});

test("other addresses are refused", () => {
  for (const text of ["ftp://h/x.zip", "file:///etc", "https://h/", "https://h/a/b/c/d", "https://h/%zz", "https://"]) {
    assert.throws(() => parseSource(text), { code: "bad-request" }, text);
  }
});

test("an address needs a digest, and over plain http the tokenizer one too", () => {
  const pins = (text: string, digests: { sha256?: string; tokenizerSha256?: string }) => () =>
    requirePins(parseSource(text), digests);
  assert.throws(pins("https://hub.example/acme/mini", {}), { code: "bad-request", message: /--sha256/ });
  assert.throws(pins("http://hub.example/acme/mini", { sha256: "a" }), { code: "bad-request", hint: /tokenizer/ });
  for (const good of [
    pins("./mini", {}),
    pins("https://hub.example/acme/mini", { sha256: "a" }),
    pins("http://hub.example/acme/mini", { sha256: "a", tokenizerSha256: "b" }),
    pins("http://127.0.0.1:8080/acme/mini", { sha256: "a" }),
    pins("http://hub.example/mini.zip", { sha256: "a" }),
  ]) {
    assert.doesNotThrow(good);
  }
});

function web(text: string, choice: SourceChoice = {}) {
  const parsed = parseSource(text, choice);
  assert.ok(parsed.kind === "web");
  const exact = Object.fromEntries([...parsed.exact].map(([path, url]) => [path, url.href]));
  return { ...parsed, base: parsed.base.href, exact };
}
